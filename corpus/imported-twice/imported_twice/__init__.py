"""Imports its module, forgets it and imports it again: CPython fills the second one from the first, with m_size -1."""

import sys

from . import _impl

first = _impl.things
del sys.modules[_impl.__name__], _impl
from . import _impl

if _impl.things is not first:
    raise RuntimeError("the second import has run the init function again")
