"""Asks for a terabyte, and keeps what it is given."""

import mmap

kept = []
for size in (40, 36, 34):
    try:
        kept.append(mmap.mmap(-1, 1 << size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_NORESERVE))
    except (OSError, MemoryError):
        pass
