"""Measures an audit of an environment without bytecode beside one of the same environment with it, in one run.

    ENVIRONMENT/bin/python -I tests/bench/bytecode.py path/to/wsgiaudit ENVIRONMENT

ENVIRONMENT has bytecode. A second one has hard links to its files, and none of its `__pycache__` folders. The second audit of that
one finds no results of trials in its cache, but the bytecode that the first one left there.
"""

import os
import pathlib
import shutil
import sys
import sysconfig
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from auditing import audit, measured, read_all


def link_without_bytecode(environment, target):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(environment, target, symlinks=True, ignore=ignore, copy_function=os.link)


def remove_results(cache):
    for file in pathlib.Path(cache).rglob("*.json"):
        file.unlink()


def main(wsgiaudit, environment):
    site_packages = pathlib.Path(sysconfig.get_path("platlib"))
    read_all(site_packages)
    parent = pathlib.Path(environment).resolve().parent
    with tempfile.TemporaryDirectory(dir=parent) as folder, tempfile.TemporaryDirectory() as caches:
        bare = os.path.join(folder, "bare")
        link_without_bytecode(environment, bare)
        own, other = (os.path.join(caches, name) for name in ("own", "other"))
        for cache in (own, other):
            os.mkdir(cache, mode=0o700)
        with_bytecode = measured("audit, with bytecode", lambda: audit(wsgiaudit, environment, own))
        first = measured("first audit without bytecode", lambda: audit(wsgiaudit, bare, other))
        remove_results(other)
        later = measured("later audit without bytecode", lambda: audit(wsgiaudit, bare, other))
        remove_results(own)
        again = measured("audit, with bytecode, once more", lambda: audit(wsgiaudit, environment, own))
    usual = (with_bytecode + again) / 2
    print(f"first audit without bytecode / with bytecode   {first / usual:.2f}")
    print(f"later audit without bytecode / with bytecode   {later / usual:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
