"""Needs an extension module of another distribution that switches the GIL on, and one of its own that does not:
CPython warns of the former only, whoever imports it."""

import gil_undeclared

from . import _quiet
