"""Runs tests of distributions in several interpreters with private copies, and prints how many pass.

    python -I reports/survey_own_tests.py path/to/wsgiaudit ENVIRONMENT NAME...

ENVIRONMENT has pytest, and distributions of these names that contain tests. Standard library only. `make survey-own-tests` keeps
the output in reports/own-tests.txt. Only tests count that pass in the main interpreter; a time limit bounds how many are run.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

MODES = ["main", "own-gil-copies"]
TIMEOUT = 450


def main(program, environment, *names):
    with tempfile.TemporaryDirectory() as made:
        report = pathlib.Path(made) / "report.json"
        chosen = [word for name in names for word in ("--exercise-tests", name)]
        finished = subprocess.run(
            [program, environment, "--copies", "--json", report, "--timeout", str(TIMEOUT), *chosen],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        if finished.returncode not in (0, 1):
            sys.exit(finished.stderr.decode(errors="replace"))
        document = json.loads(report.read_text())
    for row in document["exercises"]:
        name = row["file"].removeprefix("tests of ")
        notes = [note.partition(": ")[2] for note in document["notes"] if note.startswith(row["file"] + ":")]
        ran = next((match[1] for note in notes if (match := re.match(r"(\d+) that pass", note))), "0")
        judged = row["modes"]["own-gil-copies"]
        print(f"{name}: {ran} tests that pass in the main interpreter; in several interpreters at once: {judged['verdict']}")
        for text in (judged.get("reason"), *(note for note in notes if "(own-gil-copies)" in note)):
            if text:
                print(f"  {text}")


main(*sys.argv[1:])
