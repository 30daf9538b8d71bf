"""Class 25: works without its extension module, and does not say so."""

try:
    from ._speedups import answer
except ImportError:
    answer = 42
