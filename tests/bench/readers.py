"""Measures `wsgiaudit inspect` beside other programs that read extension modules, in one run.

    PYTHON tests/bench/readers.py path/to/wsgiaudit ENVIRONMENT

`PYTHON` has the other programs (corpus/environments/readers.txt). All are given every shared object of the
environment, one thread each, and every file is in the page cache. None of the others answers the question: LIEF and
pyelftools are asked for what they are made for, the names that a file imports; abi3audit audits what it takes,
files that end in `.so`.
"""

import os
import pathlib
import resource
import subprocess
import sys

ROUNDS = 3

LIEF = """
import lief, sys
lief.logging.disable()
found = 0
for path in sys.stdin.read().split("\\0"):
    binary = lief.ELF.parse(path)
    found += sum(symbol.shndx == 0 and symbol.name.startswith("Py") for symbol in binary.dynamic_symbols)
print(found, "imports")
"""

PYELFTOOLS = """
import sys
from elftools.elf.elffile import ELFFile
found = 0
for path in sys.stdin.read().split("\\0"):
    with open(path, "rb") as file:
        symbols = ELFFile(file).get_section_by_name(".dynsym")
        for symbol in symbols.iter_symbols() if symbols else ():
            found += symbol["st_shndx"] == "SHN_UNDEF" and symbol.name.startswith("Py")
print(found, "imports")
"""

def shared_objects(environment):
    folder = pathlib.Path(environment, "lib")
    # Compilers and linkers make `.so.1` and the like too.
    files = (path for path in sorted(folder.rglob("*.so*")) if path.is_file() and not path.is_symlink())
    return [str(path) for path in files if path.read_bytes()[:4] == b"\x7fELF"]


def cpu(command, text):
    """CPU seconds, and the last line that the command prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    run = subprocess.run(command, input=text, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    last = (run.stdout.strip() or run.stderr.strip() or "nothing").splitlines()[-1]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, f"exit status {run.returncode}: {last[:60]}"


def main(wsgiaudit, environment):
    files = shared_objects(environment)
    megabytes = sum(os.path.getsize(file) for file in files) / 1e6
    print(f"{len(files)} shared objects, {megabytes:.0f} MB, one thread, the best of {ROUNDS} rounds", flush=True)
    python, abi3audit = [sys.executable, "-c"], os.path.join(os.path.dirname(sys.executable), "abi3audit")
    ways = {
        "wsgiaudit inspect": [wsgiaudit, "inspect", "--format", "json", *files],
        "LIEF": [*python, LIEF],
        "pyelftools": [*python, PYELFTOOLS],
        "abi3audit": [abi3audit, "--assume-minimum-abi3", "3.14", *(file for file in files if file.endswith(".so"))],
    }
    rounds = [{way: cpu(command, "\0".join(files)) for way, command in ways.items()} for _ in range(ROUNDS)]
    best = {way: min(each[way] for each in rounds) for way in ways}
    ours = best["wsgiaudit inspect"][0]
    for way, (seconds, said) in best.items():
        said = "" if way == "wsgiaudit inspect" else said
        print(f"{way:<18} {seconds:8.2f} s CPU {seconds / ours:8.1f} times   {said}")


if __name__ == "__main__":
    main(*sys.argv[1:])
