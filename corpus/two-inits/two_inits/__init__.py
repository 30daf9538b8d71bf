"""Makes two modules of one file, as mypyc's and Cython's bundles do."""

import importlib.machinery
import importlib.util

from . import _first

loader = importlib.machinery.ExtensionFileLoader(__name__ + "._second", _first.__file__)
spec = importlib.util.spec_from_loader(__name__ + "._second", loader)
_second = importlib.util.module_from_spec(spec)
loader.exec_module(_second)

if _second.kept is not _first.kept:
    raise RuntimeError("the two modules have no file in common")
