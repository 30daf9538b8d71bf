"""Leaves shared memory behind, and a semaphore."""

import mmap
import os

for name in ("wsgiaudit-hostile-left", "sem.wsgiaudit-hostile-left"):
    try:
        file = os.open("/dev/shm/" + name, os.O_RDWR | os.O_CREAT)
        os.truncate(file, 1 << 20)
        mmap.mmap(file, 1 << 20)[:] = b"x" * (1 << 20)
    except OSError:
        pass
