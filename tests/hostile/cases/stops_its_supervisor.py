"""Stops its parent in every sub-interpreter."""

import os
import signal

from where import IN_MAIN

if not IN_MAIN:
    os.kill(os.getppid(), signal.SIGSTOP)
