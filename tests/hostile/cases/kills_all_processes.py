"""Kills every process that it may, in every sub-interpreter."""

import os
import signal

from where import IN_MAIN

if not IN_MAIN:
    os.kill(-1, signal.SIGKILL)
