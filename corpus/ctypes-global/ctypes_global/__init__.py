"""Opens a library with ctypes for the extension module that needs its symbols, as packages do whose libraries lie in other
distributions."""

import ctypes
import os

library = ctypes.CDLL(os.path.join(os.path.dirname(__file__), "libglobal.so.1"), mode=ctypes.RTLD_GLOBAL)
from . import _user
