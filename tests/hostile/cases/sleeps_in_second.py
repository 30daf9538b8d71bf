"""Sleeps for ever in every sub-interpreter."""

import time

from where import IN_MAIN

if not IN_MAIN:
    time.sleep(600)
