"""Replaces what imports, opens and tells exceptions, so that nothing seems to fail, and fails."""

import builtins
import types

from where import IN_MAIN

if not IN_MAIN:
    builtins.__import__ = lambda name, *rest, **more: types.ModuleType(name)
    builtins.open = builtins.print = lambda *rest, **more: None
    builtins.BaseException = builtins.ImportError = ()
    builtins.type = builtins.isinstance = builtins.str = lambda *rest: True
    raise ImportError
