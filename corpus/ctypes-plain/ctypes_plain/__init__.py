"""Class 39, and harmless: opens a library beside it with ctypes; that keeps nothing."""

import ctypes
import os

library = ctypes.CDLL(os.path.join(os.path.dirname(__file__), "libctypes_plain.so.1"))
answer = library.ctypes_plain_answer()
