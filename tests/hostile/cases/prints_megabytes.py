"""Prints sixteen megabytes, half of it no text."""

import os
import sys

for _ in range(8):
    sys.stdout.write("hostile \x1b[31m" * (1 << 16))
    os.write(2, os.urandom(1 << 20))
