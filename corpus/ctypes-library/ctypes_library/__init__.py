"""Classes 13, 39: a package without an extension module. It opens a library beside it with ctypes; that keeps an object of
whoever called it first."""

import ctypes
import os

library = ctypes.PyDLL(os.path.join(os.path.dirname(__file__), "libtypes.so.1"))
library.libtypes_count.restype = ctypes.py_object
count = library.libtypes_count()
