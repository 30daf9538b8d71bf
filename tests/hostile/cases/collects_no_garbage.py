"""Takes the collector apart: callbacks that raise, replaced functions, frozen objects; and fails."""

import gc

from where import IN_MAIN


def refuse(*_rest):
    raise SystemExit(0)


if not IN_MAIN:
    gc.callbacks.append(refuse)
    gc.freeze()
    gc.disable()
    for name in ("collect", "get_objects", "is_tracked", "get_referrers"):
        setattr(gc, name, lambda *rest: [])
    raise ImportError
