"""Overwrites whatever it finds in frames, and every list and dictionary that looks like the observer's, and fails."""

import gc
import sys

from where import IN_MAIN

if not IN_MAIN:
    found = [each for each in gc.get_objects() if type(each) is dict and "record" in each]
    frame = sys._getframe()
    while frame is not None:
        found.append(frame.f_globals)
        frame = frame.f_back
    for names in found[1:]:
        for name in list(names):
            if callable(names[name]) and not name.startswith("__"):
                names[name] = lambda *rest: True
            elif type(names[name]) is list:
                names[name].clear()
    raise ImportError
