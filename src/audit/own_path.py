# Imports an application in the main interpreter, and tells where it looks for modules afterwards, which are there, and
# which lines of its own code that speak of a path have run. What stands above this was written by the audit: MODULE.
import importlib
import os
import sys

WORDS = (b"path", b"addsitedir")
LIBRARY = os.path.dirname(os.__file__)
texts, own, ran = {}, {}, set()


def is_own(file):
    if file not in own:
        parts = file.split(os.sep)
        is_installed = "site-packages" in parts or "dist-packages" in parts
        own[file] = not (file.startswith("<") or file == __file__ or is_installed or file.startswith(LIBRARY + os.sep))
    return own[file]


def speaks_of_a_path(file, line):
    if file not in texts:
        try:
            with open(file, "rb") as source:
                texts[file] = source.read().splitlines()
        except (OSError, ValueError):
            texts[file] = []
    text = texts[file][line - 1] if 0 < line <= len(texts[file]) else b""
    return any(word in text for word in WORDS)


def trace(frame, event, argument):
    file = frame.f_code.co_filename
    if not is_own(file):
        return None
    if event == "line" and speaks_of_a_path(file, frame.f_lineno):
        ran.add((file, frame.f_lineno))
    return trace


sys.settrace(trace)
try:
    importlib.import_module(MODULE)
except BaseException:
    pass  # The application's own trial tells.
sys.settrace(None)

import sysconfig

paths = sysconfig.get_paths()
library = {os.path.realpath(paths[name]) for name in ("stdlib", "platstdlib")}
library |= {os.path.join(folder, "lib-dynload") for folder in list(library)}
library.add(os.path.join(os.path.dirname(LIBRARY), "python%d%d.zip" % sys.version_info[:2]))
entries = [entry for entry in sys.path if isinstance(entry, str) and os.path.realpath(entry) not in library]
__answers__ = ["path\t" + entry for entry in entries]
# What a lazy import may find beside what is there: Python's own modules, of every platform.
known = {*sys.modules, *sys.builtin_module_names, *getattr(sys, "stdlib_module_names", ())}
__answers__ += ["module\t" + name for name in sorted(name for name in known if isinstance(name, str))]
__answers__ += ["ran\t%d\t%s" % (line, file) for file, line in sorted(ran)]
