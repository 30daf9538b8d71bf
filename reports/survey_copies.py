"""Audits an environment without and with `--copies`, one after the other, and prints what private copies change.

    ENVIRONMENT/bin/python -I reports/survey_copies.py path/to/wsgiaudit ENVIRONMENT

Standard library only. `make survey-copies` keeps the output in reports/copies-survey.txt. The cache is not used. Compare the two
times of one run; those of another machine are others.
"""

import collections
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from audit_report import audit

VERDICTS = ["ready", "degraded", "blocked", "unsafe", "unknown", "not-applicable"]


def count(rows, mode):
    counts = collections.Counter(row["modes"][mode]["verdict"] for row in rows if mode in row["modes"])
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])


def main(program, environment):
    plain, plain_took = audit(program, environment, "--no-cache")
    copies, copies_took = audit(program, environment, "--no-cache", "--copies")
    native = [row for row in copies["distributions"] if row["extension_modules"]]
    print(f"{len(copies['distributions'])} distributions, {len(native)} of them with extension modules")
    for mode in ("own-gil", "own-gil-copies"):
        print(f"distributions with extension modules, {mode}: {count(native, mode)}")
        print(f"extension modules, {mode}: {count(copies['modules'], mode)}")
    print("\nnot ready with private copies:")
    for row in copies["distributions"]:
        judged = row["modes"]["own-gil-copies"]
        if judged["verdict"] != "ready":
            print(f"  {row['name']}, {judged['verdict']}: {judged.get('reason', '')}")
    print("\nverdicts of the other modes that differ between the two audits:")
    others = {row["name"]: row["modes"] for row in plain["distributions"]}
    for row in copies["distributions"]:
        for mode, judged in others[row["name"]].items():
            if row["modes"][mode]["verdict"] != judged["verdict"]:
                print(f"  {row['name']}, {mode}: {judged['verdict']}, with --copies {row['modes'][mode]['verdict']}")
    print(f"\ntime: {plain_took:.0f} s without --copies, {copies_took:.0f} s with it: {copies_took / plain_took:.1f} times")


main(*sys.argv[1:])
