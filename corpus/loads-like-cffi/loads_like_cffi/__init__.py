import os

from . import _backend

_backend.load_library(os.path.join(os.path.dirname(__file__), "libffi_user.so.1"))
