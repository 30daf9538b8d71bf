"""Its front imports its back while it is initialised: in the main interpreter, where its init function runs."""

from . import _front
