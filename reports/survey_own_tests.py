"""Runs tests of distributions in several interpreters with private copies, and prints how many pass.

    python -I reports/survey_own_tests.py path/to/wsgiaudit ENVIRONMENT NAME...

ENVIRONMENT has pytest, and distributions of these names that contain tests. Standard library only. `make survey-own-tests` keeps
the output in reports/own-tests.txt. Only tests count that pass in the main interpreter; a time limit bounds how many are run.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
from audit_report import audit

# Seconds that one trial may take. A thirtieth of it is for finding tests that pass.
TIMEOUT = 450


def main(program, environment, *names):
    chosen = [word for name in names for word in ("--exercise-tests", name)]
    document, _ = audit(program, environment, "--copies", "--timeout", str(TIMEOUT), *chosen)
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
