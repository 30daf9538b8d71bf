"""Puts a pipe in the place of every descriptor, in every sub-interpreter."""

import os

from where import IN_MAIN

if not IN_MAIN:
    _, pipe = os.pipe()
    for number in range(256):
        if number != pipe:
            os.dup2(pipe, number)
