"""Adds an audit hook that refuses everything from now on, and fails."""

import sys

from where import IN_MAIN


def refuse(_event, _arguments):
    raise SystemExit(0)


if not IN_MAIN:
    sys.addaudithook(refuse)
    raise ImportError
