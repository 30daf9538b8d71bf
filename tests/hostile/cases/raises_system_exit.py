"""Raises SystemExit(0) in every sub-interpreter."""

from where import IN_MAIN

if not IN_MAIN:
    raise SystemExit(0)
