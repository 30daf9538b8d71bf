# Runs tests of a distribution with pytest, as they are installed. What stands above this was written by the audit: ROOT,
# the folder that it is installed in, FILES, EXPECTED (the names of the tests to run, or None for as many as BUDGET allows)
# and BUDGET, in seconds.
import importlib
import sys
import time

# pytest imports it if it can, which CPython refuses in other interpreters: not the tests' doing.
sys.modules.setdefault("readline", None)

import pytest

# What no sub-interpreter has, in CPython's words: a test that wants it says nothing about a module.
ABSENT = (
    "not supported for isolated subinterpreters",
    "not supported within subinterpreters",
    "signal only works in main thread of the main interpreter",
    "daemon threads are disabled in this (sub)interpreter",
)


class TestsFail(Exception):
    pass


class Watch:
    """A plugin of pytest: runs the tests wanted, and sees what comes of them."""

    def __init__(self, wanted, end):
        self.wanted, self.end = wanted, end
        self.passed, self.failed, self.absent, self.errors = [], {}, {}, []

    def pytest_collection_modifyitems(self, items):
        if self.wanted is not None:
            items[:] = [item for item in items if item.nodeid in self.wanted]

    def pytest_runtest_makereport(self, item, call):
        error = getattr(call.excinfo, "value", None)
        if error is not None and not isinstance(error, pytest.skip.Exception):
            text = str(error)
            kind = self.absent if any(words in text for words in ABSENT) else self.failed
            kind.setdefault(item.nodeid, error)
        if call.when == "teardown" and self.end is not None and time.monotonic() > self.end:
            item.session.shouldstop = "enough"

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            self.passed.append(report.nodeid)

    def pytest_exception_interact(self, call, report):
        if isinstance(report, pytest.CollectReport):
            self.errors.append(call.excinfo.value)


def run(files, wanted=None, end=None):
    watch = Watch(wanted, end)
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--import-mode=importlib"]
    pytest.main([*options, "--rootdir", ROOT, *files], plugins=[watch])
    return watch


def passing():
    """The names of tests that pass, and do so again."""
    end, found = time.monotonic() + BUDGET, []
    for file in FILES:
        if time.monotonic() > end:
            break
        found.append(run([file], end=end))
    names = [
        name for watch in found for name in watch.passed if name not in watch.failed and name not in watch.absent
    ]
    if not names:
        errors = [error for watch in found for error in (*watch.failed.values(), *watch.errors)]
        raise TestsFail("no test passes") from next(iter(errors), None)
    again = run(files_of(names), set(names))
    return [name for name in names if name in again.passed and name not in again.failed]


def files_of(names):
    wanted = {name.partition("::")[0] for name in names}
    return [file for file in FILES if file.removeprefix(ROOT).lstrip("/") in wanted]


def compare():
    """Runs the tests that pass in the main interpreter. Returns those that want what this interpreter has not."""
    watch = run(files_of(EXPECTED), set(EXPECTED))
    failing = [name for name in EXPECTED if (name in watch.failed or name not in watch.passed) and name not in watch.absent]
    if failing:
        # A test that did not run at all: its file could not be imported.
        error = watch.failed.get(failing[0]) or next(iter(watch.errors), None)
        said = "%s: %s" % (type(error).__name__, str(error).partition("\n")[0]) if error else "it did not run"
        said = "%d of %d tests that pass in the main interpreter fail: %s: %s" % (
            len(failing), len(EXPECTED), failing[0], said,
        )
        print(said, file=sys.stderr, flush=True)
        raise TestsFail(said) from error
    return ["%s: %s" % (name, str(error).partition("\n")[0]) for name, error in watch.absent.items()]


# Before pytest does, which keeps the exception to itself.
for package in sorted({file.removeprefix(ROOT).strip("/").partition("/")[0] for file in FILES}):
    if package.isidentifier():
        importlib.import_module(package)
__answers__ = passing() if EXPECTED is None else compare()


def __exercise__():
    if EXPECTED is not None:
        compare()
