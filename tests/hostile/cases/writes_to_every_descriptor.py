"""Writes garbage to everything that is open, and opens it again to write more."""

import os

for number in range(3, 256):
    for path in (number, f"/proc/self/fd/{number}"):
        try:
            target = path if path == number else os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(target, False)
            os.write(target, os.urandom(100_000))
        except OSError:
            pass
