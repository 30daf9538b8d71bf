"""Loads its module with RTLD_GLOBAL, as all are where a program asks for that."""

import os
import sys

flags = sys.getdlopenflags()
sys.setdlopenflags(flags | os.RTLD_GLOBAL)
try:
    from . import _core
finally:
    sys.setdlopenflags(flags)
