from . import _writer
from . import _reader
