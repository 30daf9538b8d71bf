"""Recurses without end, and without a limit, in every sub-interpreter."""

import sys

from where import IN_MAIN


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")


if not IN_MAIN:
    sys.setrecursionlimit(10_000)
    Deep().x
