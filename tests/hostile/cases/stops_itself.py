"""Stops its process in every sub-interpreter."""

import os
import signal

from where import IN_MAIN

if not IN_MAIN:
    os.kill(os.getpid(), signal.SIGSTOP)
