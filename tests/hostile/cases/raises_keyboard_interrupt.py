"""Raises KeyboardInterrupt in every sub-interpreter."""

from where import IN_MAIN

if not IN_MAIN:
    raise KeyboardInterrupt
