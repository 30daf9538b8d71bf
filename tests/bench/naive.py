"""Measures an audit against the naive way of trying every extension module, in one run.

    ENVIRONMENT/bin/python -I tests/bench/naive.py path/to/wsgiaudit ENVIRONMENT

The naive way starts a python for each module and mode and makes one import in each: one after the other, as a loop in
a shell does, and as many at a time as the audit has trials. The audit makes three in each of the sub-interpreter modes,
and asks more questions.
Both find every file in the page cache: all are read once before the clock starts.
"""

import concurrent.futures
import os
import pathlib
import statistics
import subprocess
import sys
import sysconfig
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from auditing import JOBS, TIMEOUT, audit, measured, read_all

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


def main(wsgiaudit, environment):
    python = os.path.join(environment, "bin", "python")
    site_packages = pathlib.Path(sysconfig.get_path("platlib"))
    names = list(modules(site_packages))
    read_all(site_packages)
    print(f"{len(names)} extension modules, 3 modes, {JOBS} at a time, Python {sys.version.split()[0]}", flush=True)
    audited, naively = [], {}
    # Before, between and after: what else the machine does is not the same all the time.
    for at_a_time in (1, JOBS, None):
        with tempfile.TemporaryDirectory() as cache:
            audited.append(measured("audit", lambda: audit(wsgiaudit, environment, cache)))
        if at_a_time:
            way = f"naive, {at_a_time} at a time"
            naively[way] = measured(way, lambda: naive(python, names, at_a_time))
    for way, wall in naively.items():
        print(f"audit, the median / {way}   {statistics.median(audited) / wall:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
