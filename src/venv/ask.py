# Asked of the environment's python, isolated (-I -B). The answer goes to a file: anything may print.
# Runs on every Python 3.
import importlib.machinery
import json
import os
import sys
import sysconfig


def editable(site):
    """Names that setuptools' editable finders map to folders: their MAPPING, read and not run."""
    import ast

    found = []
    for folder in site:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if not (name.startswith("__editable__") and name.endswith("_finder.py")):
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                tree = ast.parse(file.read())
            for node in tree.body:
                target = getattr(node, "target", None) or (getattr(node, "targets", None) or [None])[0]
                if getattr(target, "id", None) == "MAPPING" and node.value is not None:
                    found += sorted(ast.literal_eval(node.value).items())
    return found


def trials_impossible():
    try:
        import ctypes  # noqa: F401
    except ImportError as error:
        return "its ctypes module does not import: %s" % error
    return None


paths = sysconfig.get_paths()
library = {os.path.realpath(paths[name]) for name in ("stdlib", "platstdlib")}
library |= {os.path.join(folder, "lib-dynload") for folder in list(library)}
site = []
for entry in sys.path:
    if entry and not entry.endswith(".zip") and os.path.realpath(entry) not in library and entry not in site:
        site.append(entry)

answer = {
    "implementation": sys.implementation.name,
    "version": list(sys.version_info[:3]),
    "release": sys.version.split()[0],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "abi": (sysconfig.get_config_var("EXT_SUFFIX") or "").strip(".").rsplit(".", 1)[0],
    "suffixes": importlib.machinery.EXTENSION_SUFFIXES,
    "platform": sysconfig.get_platform(),
    "base_prefix": sys.base_prefix,
    "site": site,
    "editable": editable(site),
    "no_trials": trials_impossible(),
}
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(answer, file)
