"""Makes files, sockets and FIFOs wherever everybody can write."""

import os
import socket

for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run", os.getcwd(), "/proc/self/cwd/../..", ".."):
    path = os.path.join(folder, "wsgiaudit-hostile-left")
    for make in (
        lambda: os.mkfifo(path + ".fifo"),
        lambda: os.mkdir(path + ".d"),
        lambda: open(path, "w").close(),
        lambda: socket.socket(socket.AF_UNIX).bind(path + ".socket"),
    ):
        try:
            make()
        except OSError:
            pass
