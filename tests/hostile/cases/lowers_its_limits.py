"""Takes its process every resource that it can do without, in every sub-interpreter, and fails."""

import os
import resource

from where import IN_MAIN

if not IN_MAIN:
    os.umask(0o777)
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_STACK):
        resource.setrlimit(limit, (0, 0))
    raise ImportError
