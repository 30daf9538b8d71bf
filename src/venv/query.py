# Describes the environment's Python, which runs this in isolated mode (-I -B). Must run on every Python 3.
# Arguments: a file for the answer, since other code may print to stdout; the user's home folder.
import importlib.machinery
import json
import os
import sys
import sysconfig
import zipfile


def why_trials_are_impossible():
    try:
        import ctypes  # noqa: F401
    except ImportError as error:
        return "its ctypes module does not import: %s" % error
    return None


def has_hooks():
    """Whether there are finders or path hooks other than CPython's."""
    machinery = importlib.machinery
    own = (machinery.BuiltinImporter, machinery.FrozenImporter, machinery.PathFinder)
    is_own = lambda hook: getattr(hook, "__module__", "").startswith(("zipimport", "_frozen_importlib", "importlib."))
    return not all(finder in own for finder in sys.meta_path) or not all(map(is_own, sys.path_hooks))


def module_name_of_file(file):
    """Name of the extension module in a file of this name, without its packages; None for other files."""
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        if file.endswith(suffix) and file[: -len(suffix)].isidentifier():
            return file[: -len(suffix)]
    return None


def is_cpython_module(name):
    built = (sysconfig.get_config_var("MODSHARED_NAMES") or "").split()
    # Modules that `stdlib_module_names` omits.
    tests = "_ctypes_test _testbuffer _testcapi _testclinic _testclinic_limited _testexternalinspection"
    tests += " _testimportmultiple _testinternalcapi _testlimitedcapi _testmultiphase _testsinglephase"
    tests += " _xxinterpchannels _xxinterpqueues _xxsubinterpreters _xxtestfuzz xx xxlimited xxlimited_35 xxsubtype"
    return name in getattr(sys, "stdlib_module_names", [name]) or name in built or name in tests.split()


def find_foreign_modules(library, site):
    """Extension modules in the standard library's folders that are not CPython's: name and path."""
    found = []
    left_out = {"site-packages", "dist-packages", "__pycache__", "test"}
    for root in sorted(library):
        for folder, below, files in os.walk(root):
            below[:] = [
                name
                for name in below
                if name not in left_out and not {os.path.join(folder, name)} & (library | site)
            ]
            parts = os.path.relpath(folder, root).split(os.sep) if folder != root else []
            for file in sorted(files):
                name = module_name_of_file(file)
                is_top = not parts and os.path.basename(root) == "lib-dynload"
                if name is not None and not (is_top and is_cpython_module(name)):
                    parts_of_it = parts + [name] if name != "__init__" else parts
                    found.append((".".join(parts_of_it), os.path.join(folder, file)))
    return [each for each in found if all(part.isidentifier() for part in each[0].split("."))]


def find_user_site(site):
    """The user's own site-packages if Python adds it without -I (`site.check_enableusersite`), else None."""
    is_virtualenv = sys.prefix != sys.base_prefix
    has_system_site = any(os.path.realpath(each).startswith(os.path.realpath(sys.base_prefix)) for each in site)
    if (is_virtualenv and not has_system_site) or not sys.argv[2]:
        return None
    import site as site_module

    os.environ["HOME"] = sys.argv[2]
    try:
        folder = site_module._get_path(site_module._getuserbase())
    except Exception:
        return None
    return folder if os.path.isdir(folder) and folder not in site else None


paths = sysconfig.get_paths()
library = {os.path.realpath(paths[name]) for name in ("stdlib", "platstdlib")}
library |= {os.path.join(folder, "lib-dynload") for folder in list(library)}
site, archives = [], []
for entry in sys.path:
    if os.path.isfile(entry) and zipfile.is_zipfile(entry) and entry not in archives:
        archives.append(entry)
    elif os.path.isdir(entry) and os.path.realpath(entry) not in library and entry not in site:
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
    "files": find_foreign_modules(library, {os.path.realpath(each) for each in site}),
    "archives": archives,
    "user_site": find_user_site(site),
    "has_hooks": has_hooks(),
    "no_trials": why_trials_are_impossible(),
}
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(answer, file)
