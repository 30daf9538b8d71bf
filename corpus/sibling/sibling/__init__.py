"""Class 37: the package that needs_sibling wants imported first, and that works without it."""

try:
    from needs_sibling._impl import answer
except ImportError:
    answer = 42
