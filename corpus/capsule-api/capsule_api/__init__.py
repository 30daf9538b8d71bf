from . import _core
from . import _user
