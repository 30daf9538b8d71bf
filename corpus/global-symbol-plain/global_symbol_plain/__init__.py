"""Makes the symbols of its first module known to all that is loaded later, as its second one needs them."""

import os
import sys

flags = sys.getdlopenflags()
sys.setdlopenflags(flags | os.RTLD_GLOBAL)
try:
    from . import _core
finally:
    sys.setdlopenflags(flags)
from . import _user
