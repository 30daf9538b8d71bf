import once_per_process

from . import _init
