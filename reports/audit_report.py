"""An audit for the surveys of private copies: its report, and how long it took."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time


def audit(program, environment, *options):
    """Returns the report as a document, and the seconds that the audit took."""
    with tempfile.TemporaryDirectory() as made:
        report = pathlib.Path(made) / "report.json"
        began = time.monotonic()
        finished = subprocess.run(
            [program, environment, "--json", report, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        took = time.monotonic() - began
        if finished.returncode not in (0, 1):
            sys.exit(finished.stderr.decode(errors="replace"))
        return json.loads(report.read_text()), took
