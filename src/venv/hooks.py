# Asked of the environment's python, isolated (-I -B), where import hooks that are not CPython's are installed at
# start: which packages and extension modules do they serve? Argument: the file for the answer.
# A hook is asked for every name that its own data holds: its attributes, and the globals of its module.
# Runs on every Python 3 from 3.8 on.
import importlib.machinery as machinery
import json
import os
import pkgutil
import sys

# These change how others' modules are loaded, and serve no files of their own.
HARMLESS = {"_distutils_hack", "_virtualenv"}
MOST = 20000  # names
trouble = []


def module_of(hook):
    of = hook if hasattr(hook, "__qualname__") else type(hook)
    return str(getattr(of, "__module__", None))


def is_cpythons(hook):
    if hook in (machinery.BuiltinImporter, machinery.FrozenImporter, machinery.PathFinder):
        return True
    is_path_hook = callable(hook) and not hasattr(hook, "find_spec")
    return is_path_hook and module_of(hook) in ("zipimport", "_frozen_importlib_external")


def is_name(text):
    return len(text) < 300 and all(part.isidentifier() for part in text.split("."))


def collect(value, home, found, depth=0):
    """Dotted names in a value: strings, containers, and objects of classes of the same module."""
    if depth > 6 or len(found) >= MOST:
        return
    if isinstance(value, str):
        if is_name(value):
            found.add(value)
    elif isinstance(value, dict):
        for key, each in list(value.items()):
            collect(key, home, found, depth + 1)
            collect(each, home, found, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in list(value):
            collect(each, home, found, depth + 1)
    elif type(value).__module__ == home and hasattr(value, "__dict__"):
        collect(dict(vars(value)), home, found, depth + 1)


def names_of(hook):
    home, found = module_of(hook), set()
    of = getattr(hook, "__self__", hook)
    for value in (of, of if isinstance(of, type) else type(of)):
        collect(dict(getattr(value, "__dict__", {})), home, found)
    for cell in getattr(hook, "__closure__", None) or ():
        collect(cell.cell_contents, home, found)
    there = getattr(sys.modules.get(home), "__dict__", {})
    collect({name: value for name, value in there.items() if not name.startswith("__")}, home, found)
    for name in list(found):
        parts = name.split(".")
        found.update(".".join(parts[:end]) for end in range(1, len(parts)))
    return found


def locations(spec):
    try:
        return [str(each) for each in spec.submodule_search_locations or []]
    except Exception:
        return []


specs = {}
failed = set()  # ids of finders that have raised: what they were asked for may take long


def find(name, finders):
    """What these finders give for a name, without importing its packages."""
    parent = name.rpartition(".")[0]
    path = locations(resolve(parent)) if parent else None
    for finder in finders:
        if id(finder) in failed:
            continue
        try:
            spec = finder.find_spec(name, path)
        except Exception as error:
            failed.add(id(finder))
            note = getattr(error, "strerror", None) or error
            tell(finder, "raised %s when it was asked for %s: %s" % (type(error).__name__, name, note))
            continue
        if spec is not None:
            return spec
    return None


def resolve(name):
    if name not in specs:
        specs[name] = None
        specs[name] = find(name, sys.meta_path)
    return specs[name]


def tell(hook, what):
    of = hook if hasattr(hook, "__qualname__") else type(hook)
    line = "the import hook %s of %s %s" % (getattr(of, "__qualname__", "?"), module_of(hook), what)
    if line not in trouble:
        trouble.append(line.replace("\n", " ")[:500])


def served():
    """Names that hooks serve, each hook asked by itself."""
    found = set()
    for finder in [finder for finder in sys.meta_path if not is_cpythons(finder)]:
        if module_of(finder) in HARMLESS:
            continue
        count = len(trouble)
        its = {name for name in sorted(names_of(finder)) if find(name, [finder]) is not None}
        found |= its
        if not its and len(trouble) == count:
            tell(finder, "does not tell what it serves")
    for hook in [hook for hook in sys.path_hooks if not is_cpythons(hook)]:
        its = names_of(hook)
        for entry in sys.path:
            try:
                finder = hook(entry)
            except Exception:
                continue
            listed = {module.name for module in pkgutil.iter_modules([entry])}
            here = {name for name in its | listed if find(name, [finder]) is not None}
            found |= here
            if not here:
                tell(hook, "takes %s, and does not tell what it serves" % entry)
    return found


def follow(names):
    """The packages and extension modules that these names come to, with all that is below them."""
    packages, files, seen, waiting = [], [], set(), sorted(names, reverse=True)
    while waiting:
        name = waiting.pop()
        if name in seen or len(seen) >= MOST:
            continue
        seen.add(name)
        spec = resolve(name)
        if spec is None:
            continue
        origin = spec.origin if isinstance(spec.origin, str) else ""
        # A loader may be wrapped in another one.
        is_extension = isinstance(spec.loader, machinery.ExtensionFileLoader)
        is_extension = is_extension or origin.endswith(tuple(machinery.EXTENSION_SUFFIXES))
        if is_extension:
            files.append((name, origin))
        places = [place for place in locations(spec) if os.path.isdir(place)]
        if not places and os.path.isfile(origin) and not is_extension:
            # A package in name only, as meson-python's, is there where its own file is.
            places = [os.path.dirname(origin) if locations(spec) else origin]
        packages += [(name, place) for place in places]
        below = [module.name for module in pkgutil.iter_modules(locations(spec), name + ".")]
        waiting += sorted(filter(is_name, below), reverse=True)
    if len(seen) >= MOST:
        trouble.append("import hooks serve more than %d names: the rest was not looked at" % MOST)
    return packages, files


packages, files = follow(served())
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"packages": packages, "files": files, "trouble": trouble}, file)
