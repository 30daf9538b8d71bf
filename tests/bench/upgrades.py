"""Measures the audit after the upgrade of one distribution against the first audit, in one run.

    ENVIRONMENT/bin/python -I tests/bench/upgrades.py path/to/wsgiaudit ENVIRONMENT [DISTRIBUTION...]

Each of the distributions is upgraded by itself, all of them in turn where none is named: a byte is added to each of its
files and its metadata say another version, and after the audit all is as it was. Each audit knows what audits of the
environment as it was have found, and nothing of the other upgrades.
"""

import compileall
import contextlib
import importlib.metadata
import os
import pathlib
import shutil
import statistics
import sys
import sysconfig
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from auditing import JOBS, audit, measured, read_all


@contextlib.contextmanager
def upgraded(distribution):
    """As an upgrade would leave it: every file of it is another, its metadata are those of another version, and Python's
    files are compiled, as installers do."""
    files = [file.locate() for file in importlib.metadata.files(distribution)]
    files = [pathlib.Path(file) for file in files if file.suffix in (".py", ".so") and file.is_file()]
    with other_metadata(distribution):
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


@contextlib.contextmanager
def other_metadata(distribution):
    record = next(file for file in importlib.metadata.files(distribution) if file.name == "RECORD")
    info, version = pathlib.Path(record.locate()).parent, importlib.metadata.version(distribution)
    other = info.with_name(info.name.removesuffix(".dist-info") + ".post1.dist-info")
    with tempfile.TemporaryDirectory() as aside:
        shutil.copytree(info, other)
        shutil.move(info, aside)
        try:
            replace(other / "METADATA", f"Version: {version}\n", f"Version: {version}.post1\n")
            replace(other / "RECORD", info.name, other.name)
            yield
        finally:
            shutil.rmtree(other)
            shutil.move(os.path.join(aside, info.name), info)


def replace(file, old, new):
    file.write_bytes(file.read_bytes().replace(old.encode(), new.encode()))


def compile_all(files):
    for file in files:
        if file.suffix == ".py":
            compileall.compile_file(file, quiet=2)


def distributions():
    """Those with something to import."""
    for name in sorted({each.name for each in importlib.metadata.distributions()}, key=str.lower):
        if any(file.suffix in (".py", ".so") for file in importlib.metadata.files(name) or []):
            yield name


def main(wsgiaudit, environment, *names):
    names = names or tuple(distributions())
    read_all(pathlib.Path(sysconfig.get_path("platlib")))
    print(f"{JOBS} trials at a time, Python {sys.version.split()[0]}", flush=True)
    ratios = {}
    with tempfile.TemporaryDirectory() as folder:
        known, cache = os.path.join(folder, "known"), os.path.join(folder, "cache")
        os.mkdir(known)
        first = measured("first audit", lambda: audit(wsgiaudit, environment, known))
        ratios["the same again"] = measured("the same again", lambda: audit(wsgiaudit, environment, known)) / first
        for name in names:
            # The files are as they were, and their times are not.
            audit(wsgiaudit, environment, known)
            shutil.copytree(known, cache)
            with upgraded(name):
                wall = measured(f"{name} upgraded", lambda: audit(wsgiaudit, environment, cache))
            ratios[name] = wall / first
            shutil.rmtree(cache)
    print()
    for name, ratio in sorted(ratios.items(), key=lambda each: each[1]):
        print(f"{name:<34} {ratio:.3f} of the first audit")
    del ratios["the same again"]
    few = sum(ratio <= 0.05 for ratio in ratios.values())
    print(f"\n{few} of {len(ratios)} upgrades: at most 0.05; median {statistics.median(ratios.values()):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
