"""Raises an exception whose text and type are commands for a terminal, and ten megabytes."""

import sys

from where import IN_MAIN

COMMANDS = "\x1b]0;hostile\x07\x1b[2J\r\n::error::hostile\u202e\x9b31m\udcff\0</script>"

if not IN_MAIN:
    sys.stderr.write(COMMANDS.replace("\udcff", ""))
    raise type(COMMANDS.replace("\udcff\0", ""), (Exception,), {})(COMMANDS * 200_000)
