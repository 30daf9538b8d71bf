"""Class 10: the second import succeeds after a refusal. The package is taken out of sys.modules when its import
fails, its submodule is not."""

from . import _state

if not _state.tried:
    _state.tried = True
    from . import _impl
