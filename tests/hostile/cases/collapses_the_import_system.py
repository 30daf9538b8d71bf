"""Empties what imports rest on, in every sub-interpreter, and fails."""

import sys

from where import IN_MAIN

if not IN_MAIN:
    for each in (sys.path, sys.meta_path, sys.path_hooks, sys.path_importer_cache):
        each.clear()
    sys.modules.clear()
    raise ImportError
