"""Replaces the functions of `_imp`, and what finds modules, by ones that always succeed, and fails."""

import _imp
import sys
import types

from where import IN_MAIN


class Pretender:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return types.SimpleNamespace(name=name, loader=Pretender, origin=None, submodule_search_locations=None)


if not IN_MAIN:
    sys.meta_path.insert(0, Pretender)
    for each in dir(_imp):
        if not each.startswith("__"):
            setattr(_imp, each, lambda *rest: types.ModuleType("anything"))
    raise ImportError
