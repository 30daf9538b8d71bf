from . import _impl
