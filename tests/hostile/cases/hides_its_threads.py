"""Leaves a thread behind, and replaces the functions that would tell."""

import _thread
import threading
import time

from where import IN_MAIN

if not IN_MAIN:
    _thread.start_new_thread(time.sleep, (600,))
    _thread._count = lambda: 0
    threading._active.clear()
    threading.active_count = lambda: 1
