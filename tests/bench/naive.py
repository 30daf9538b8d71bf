"""Measures an audit against the naive way of trying every extension module, in one run.

    ENVIRONMENT/bin/python -I tests/bench/naive.py path/to/wsgiaudit ENVIRONMENT

The naive way starts a python for each module and mode and makes one import in each: one after the other, as a loop in
a shell does, and as many at a time as the audit has trials. The audit makes three in each of the sub-interpreter modes,
and asks more questions.
Both find every file in the page cache: all are read once before the clock starts.

Then the same audit again: of the same files, and each time after one distribution has changed, a small one that nothing
needs, a small one that others need and a large one. A byte is added to each of its files, and taken away at the end.
"""

import compileall
import concurrent.futures
import contextlib
import importlib.metadata
import json
import os
import pathlib
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time

JOBS = 2
TIMEOUT = 60
CHANGED = ("bcrypt", "MarkupSafe", "numpy")

IMPORT = "import importlib; importlib.import_module({name!r})"
SUB_INTERPRETER = (
    "import _interpreters as i, sys; failure = i.exec(i.create({config!r}), {source!r}); "
    "sys.exit(failure and str(failure.formatted))"
)


def sources(name):
    """What each mode's python is told to do."""
    source = IMPORT.format(name=name)
    yield source
    yield SUB_INTERPRETER.format(config="legacy", source=source)
    yield SUB_INTERPRETER.format(config="isolated", source=source)


def modules(site_packages):
    suffixes = (sysconfig.get_config_var("EXT_SUFFIX"), ".abi3.so")
    for file in sorted(site_packages.rglob("*.so")):
        suffix = next((suffix for suffix in suffixes if file.name.endswith(suffix)), None)
        if suffix:
            parts = [*file.relative_to(site_packages).parts[:-1], file.name.removesuffix(suffix)]
            if all(part.isidentifier() for part in parts):
                yield ".".join(parts)


def read_all(site_packages):
    for file in site_packages.rglob("*"):
        if file.is_file():
            file.read_bytes()


def try_once(python, source):
    command = [python, "-I", "-c", source]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=True)
    except subprocess.TimeoutExpired:
        return "timed out"
    except subprocess.CalledProcessError as error:
        return "failed" if error.returncode > 0 else "crashed"
    return "imported"


def naive(python, names, at_a_time):
    counts = {}
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        jobs = [pool.submit(try_once, python, source) for name in names for source in sources(name)]
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            counts[job.result()] = counts.get(job.result(), 0) + 1
            if sys.stderr.isatty():
                print(f"\rnaive: {done} of {len(jobs)}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def audit(wsgiaudit, environment, cache):
    report = os.path.join(cache, "report.json")
    command = [wsgiaudit, environment, "--jobs", str(JOBS), "--timeout", str(TIMEOUT), "--quiet"]
    environ = os.environ | {"XDG_CACHE_HOME": cache}
    status = subprocess.run([*command, "--format", "json", "--output", report], env=environ).returncode
    if status not in (0, 1, 3):
        sys.exit(f"the audit failed: exit status {status}")
    trials = json.loads(pathlib.Path(report).read_text())["header"]["trials"]
    return f"exit status {status}, {trials['remembered']} of {trials['all']} trials not repeated"


@contextlib.contextmanager
def changed(distribution):
    """As an upgrade would leave it: every file of it is another, and Python's are compiled, as installers do."""
    files = [file.locate() for file in importlib.metadata.files(distribution)]
    files = [pathlib.Path(file) for file in files if file.suffix in (".py", ".so") and file.is_file()]
    for file in files:
        # A file of its own: installers may have linked it to their cache.
        copy = file.with_name(file.name + ".new")
        copy.write_bytes(file.read_bytes() + b"\n")
        copy.chmod(file.stat().st_mode)
        copy.replace(file)
    compile_all(files)
    try:
        yield
    finally:
        for file in files:
            os.truncate(file, file.stat().st_size - 1)
        compile_all(files)


def compile_all(files):
    for file in files:
        if file.suffix == ".py":
            compileall.compile_file(file, quiet=2)


def measured(work):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = work()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def main(wsgiaudit, environment):
    python = os.path.join(environment, "bin", "python")
    site_packages = pathlib.Path(sysconfig.get_path("platlib"))
    names = list(modules(site_packages))
    read_all(site_packages)
    print(f"{len(names)} extension modules, 3 modes, {JOBS} at a time, Python {sys.version.split()[0]}", flush=True)
    walls = {}

    def measure(way, work):
        walls[way], cpu, result = measured(work)
        print(f"{way:<20} {walls[way]:8.1f} s wall {cpu:8.1f} s CPU   {result}", flush=True)

    with tempfile.TemporaryDirectory() as cache:
        measure("audit", lambda: audit(wsgiaudit, environment, cache))
        measure("again", lambda: audit(wsgiaudit, environment, cache))
        for distribution in CHANGED:
            with changed(distribution):
                measure(f"{distribution} changed", lambda: audit(wsgiaudit, environment, cache))
    for at_a_time in (1, JOBS):
        way = f"naive, {at_a_time} at a time"
        measure(way, lambda: naive(python, names, at_a_time))
        print(f"audit / {way}   {walls['audit'] / walls[way]:.3f}")
    for way in ["again", *(f"{distribution} changed" for distribution in CHANGED)]:
        print(f"{way} / audit   {walls[way] / walls['audit']:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
