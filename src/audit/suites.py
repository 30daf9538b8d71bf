# Runs the installed tests of a distribution with pytest. The audit writes above this text: ROOT (the folder that the
# distribution is installed in), FILES, EXPECTED (the names of the tests to run, or None for as many as BUDGET allows), and
# BUDGET in seconds.
import importlib
import sys
import time

# pytest imports readline if it can, which CPython refuses in sub-interpreters. That is not a failure of the tests.
sys.modules.setdefault("readline", None)

import pytest

# CPython's error messages for features that sub-interpreters lack: a test that needs one says nothing about a module.
ABSENT = (
    "not supported for isolated subinterpreters",
    "not supported within subinterpreters",
    "signal only works in main thread of the main interpreter",
    "daemon threads are disabled in this (sub)interpreter",
)


class TestsFail(Exception):
    pass


class Recorder:
    """A pytest plugin that selects the wanted tests and records their results."""

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
    recorder = Recorder(wanted, end)
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--import-mode=importlib"]
    pytest.main([*options, "--rootdir", ROOT, *files], plugins=[recorder])
    return recorder


def find_passing():
    """Return the names of the tests that pass twice."""
    end, found = time.monotonic() + BUDGET, []
    for file in FILES:
        if time.monotonic() > end:
            break
        found.append(run([file], end=end))
    names = [
        name
        for recorder in found
        for name in recorder.passed
        if name not in recorder.failed and name not in recorder.absent
    ]
    if not names:
        errors = [error for recorder in found for error in (*recorder.failed.values(), *recorder.errors)]
        raise TestsFail("no test passes") from next(iter(errors), None)
    again = run(files_of(names), set(names))
    return [name for name in names if name in again.passed and name not in again.failed]


def files_of(names):
    wanted = {name.partition("::")[0] for name in names}
    return [file for file in FILES if file.removeprefix(ROOT).lstrip("/") in wanted]


def compare():
    """Run the tests that pass in the main interpreter. Return those that need a feature that this interpreter lacks."""
    recorder = run(files_of(EXPECTED), set(EXPECTED))
    ran = [name for name in EXPECTED if name not in recorder.absent]
    failing = [name for name in ran if name in recorder.failed or name not in recorder.passed]
    if failing:
        # A test that did not run: its file could not be imported.
        error = recorder.failed.get(failing[0]) or next(iter(recorder.errors), None)
        said = "%s: %s" % (type(error).__name__, str(error).partition("\n")[0]) if error else "it did not run"
        said = "%d of %d tests that pass in the main interpreter fail: %s: %s" % (
            len(failing), len(EXPECTED), failing[0], said,
        )
        print(said, file=sys.stderr, flush=True)
        raise TestsFail(said) from error
    return ["%s: %s" % (name, str(error).partition("\n")[0]) for name, error in recorder.absent.items()]


# Import the packages before pytest does, which would swallow the exception.
for package in sorted({file.removeprefix(ROOT).strip("/").partition("/")[0] for file in FILES}):
    if package.isidentifier():
        importlib.import_module(package)
__answers__ = find_passing() if EXPECTED is None else compare()


def __exercise__():
    if EXPECTED is not None:
        compare()
