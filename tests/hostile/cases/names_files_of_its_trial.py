"""Makes FIFOs and links under the names of its trial's own files."""

import os

for name in ("output", "crash", "stack", "ids", "record", "log", "socket"):
    for folder in (".", ".."):
        path = os.path.join(folder, name)
        for make in (lambda: os.unlink(path), lambda: os.mkfifo(path), lambda: os.symlink("/dev/zero", path + "x")):
            try:
                make()
            except OSError:
                pass
