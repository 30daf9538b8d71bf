"""Class 37: refuses to be imported before the package that it belongs to, as psycopg_binary does."""

import sys

if "sibling" not in sys.modules:
    raise ImportError("the sibling package should be imported before needs_sibling")
