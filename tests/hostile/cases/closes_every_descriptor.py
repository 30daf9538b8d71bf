"""Closes every descriptor, the standard ones too, in every sub-interpreter."""

import os

from where import IN_MAIN

if not IN_MAIN:
    os.closerange(0, 1 << 16)
