"""Makes thirty thousand folders in each other."""

import os

for _ in range(30_000):
    os.mkdir("d")
    os.chdir("d")
