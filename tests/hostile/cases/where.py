"""Tells the other cases which interpreter they are in. Harmless."""

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

_current = interpreters.get_current()
IN_MAIN = int(_current[0] if isinstance(_current, tuple) else _current) == 0
