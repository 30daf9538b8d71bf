"""Replaces itself by an object that raises whatever it is asked for, and fails."""

import sys
import types

from where import IN_MAIN


class Liar(types.ModuleType):
    @property
    def __dict__(self):
        raise SystemExit(0)

    def __getattribute__(self, name):
        raise KeyboardInterrupt

    def __hash__(self):
        raise GeneratorExit


if not IN_MAIN:
    sys.modules[__name__] = Liar("another")
    raise ImportError
