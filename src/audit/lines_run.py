# Records which lines of an application's own code run, of those that mention a path or an import. The script that follows
# starts and stops the trace.
import os
import sys

WORDS = (b"path", b"addsitedir", b"import", b"exec", b"entry_points", b"run_", b"spec_from_file", b"load")
LIBRARY = os.path.dirname(os.__file__)
texts, own, ran = {}, {}, set()


def is_own(file):
    if file not in own:
        own[file] = not (file.startswith("<") or file == __file__ or is_installed(file))
    return own[file]


def is_installed(file):
    if any(file.startswith(folder + os.sep) for folder in globals().get("FOLDERS", ())):
        return False
    parts = file.split(os.sep)
    return "site-packages" in parts or "dist-packages" in parts or file.startswith(LIBRARY + os.sep)


def mentions_path_or_import(file, line):
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
    if event == "line" and mentions_path_or_import(file, frame.f_lineno):
        ran.add((file, frame.f_lineno))
    return trace


def executed_lines():
    """Return the lines that have run so far, as answers of a trial."""
    return ["ran\t%d\t%s" % (line, file) for file, line in sorted(ran)]


