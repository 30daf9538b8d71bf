"""Traces and profiles everything that runs later, with functions that raise, and fails."""

import sys
import threading

from where import IN_MAIN


def refuse(*_rest):
    raise SystemExit(0)


if not IN_MAIN:
    threading.settrace(refuse)
    threading.setprofile(refuse)
    sys.settrace(refuse)
    sys.setprofile(refuse)
    raise ImportError
