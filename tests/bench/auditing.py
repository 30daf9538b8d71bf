"""An audit as the benchmarks run it, and what it took."""

import json
import os
import pathlib
import resource
import subprocess
import sys
import time

JOBS = 2
TIMEOUT = 60


def read_all(site_packages):
    for file in site_packages.rglob("*"):
        if file.is_file():
            file.read_bytes()


def audit(wsgiaudit, environment, cache):
    report = os.path.join(cache, "report.json")
    command = [wsgiaudit, environment, "--jobs", str(JOBS), "--timeout", str(TIMEOUT), "--quiet"]
    environ = os.environ | {"XDG_CACHE_HOME": cache}
    status = subprocess.run([*command, "--format", "json", "--output", report], env=environ).returncode
    if status not in (0, 1, 3):
        sys.exit(f"the audit failed: exit status {status}")
    trials = json.loads(pathlib.Path(report).read_text())["header"]["trials"]
    return f"exit status {status}, {trials['remembered']} of {trials['all']} trials not repeated"


def measured(what, work):
    """Runs it, says what it took, and returns its wall time in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = work()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what:<34} {wall:8.2f} s wall {cpu:8.2f} s CPU   {result}", flush=True)
    return wall
