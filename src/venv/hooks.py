# Lists the packages and extension modules that import hooks other than CPython's serve. The environment's Python
# runs this in isolated mode (-I -B). Must run on Python 3.8 and later. Argument: a file for the answer.
#
# Import hooks cannot list their modules. So each hook is queried for every name in its own data: its attributes,
# and the globals of its module.
import importlib.machinery as machinery
import json
import os
import pkgutil
import sys

# Hooks that only change how other modules are loaded.
HARMLESS = {"_distutils_hack", "_virtualenv"}
MAX_NAMES = 20000
trouble = []


def module_of_hook(hook):
    of = hook if hasattr(hook, "__qualname__") else type(hook)
    return str(getattr(of, "__module__", None))


def is_cpython_hook(hook):
    if hook in (machinery.BuiltinImporter, machinery.FrozenImporter, machinery.PathFinder):
        return True
    is_path_hook = callable(hook) and not hasattr(hook, "find_spec")
    return is_path_hook and module_of_hook(hook) in ("zipimport", "_frozen_importlib_external")


def is_name(text):
    return len(text) < 300 and all(part.isidentifier() for part in text.split("."))


def collect_names(value, home, found, depth=0):
    """Adds the dotted names in a value to `found`: in strings, containers, and objects of the hook's own module."""
    if depth > 6 or len(found) >= MAX_NAMES:
        return
    if isinstance(value, str):
        if is_name(value):
            found.add(value)
    elif isinstance(value, dict):
        for key, each in list(value.items()):
            collect_names(key, home, found, depth + 1)
            collect_names(each, home, found, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in list(value):
            collect_names(each, home, found, depth + 1)
    elif type(value).__module__ == home and hasattr(value, "__dict__"):
        collect_names(dict(vars(value)), home, found, depth + 1)


def names_in_hook(hook):
    home, found = module_of_hook(hook), set()
    of = getattr(hook, "__self__", hook)
    for value in (of, of if isinstance(of, type) else type(of)):
        collect_names(dict(getattr(value, "__dict__", {})), home, found)
    for cell in getattr(hook, "__closure__", None) or ():
        collect_names(cell.cell_contents, home, found)
    there = getattr(sys.modules.get(home), "__dict__", {})
    collect_names({name: value for name, value in there.items() if not name.startswith("__")}, home, found)
    for name in list(found):
        parts = name.split(".")
        found.update(".".join(parts[:end]) for end in range(1, len(parts)))
    return found


def search_locations(spec):
    try:
        return [str(each) for each in spec.submodule_search_locations or []]
    except Exception:
        return []


specs = {}
failed = set()  # Ids of finders that raised once. They are not queried again: each query may take long.


def find_spec(name, finders):
    """The spec that these finders return for a name, found without importing its packages."""
    parent = name.rpartition(".")[0]
    path = search_locations(resolve_name(parent)) if parent else None
    for finder in finders:
        if id(finder) in failed:
            continue
        try:
            spec = finder.find_spec(name, path)
        except Exception as error:
            failed.add(id(finder))
            note = getattr(error, "strerror", None) or error
            report_trouble(finder, "raised %s for the module %s: %s" % (type(error).__name__, name, note))
            continue
        if spec is not None:
            return spec
    return None


def resolve_name(name):
    if name not in specs:
        specs[name] = None
        specs[name] = find_spec(name, sys.meta_path)
    return specs[name]


def report_trouble(hook, what):
    of = hook if hasattr(hook, "__qualname__") else type(hook)
    line = "the import hook %s of %s %s" % (getattr(of, "__qualname__", "?"), module_of_hook(hook), what)
    if line not in trouble:
        trouble.append(line.replace("\n", " ")[:500])


def find_served_names():
    """Names that hooks serve. Each hook is queried separately."""
    found = set()
    for finder in [finder for finder in sys.meta_path if not is_cpython_hook(finder)]:
        if module_of_hook(finder) in HARMLESS:
            continue
        count = len(trouble)
        its = {name for name in sorted(names_in_hook(finder)) if find_spec(name, [finder]) is not None}
        found |= its
        if not its and len(trouble) == count:
            report_trouble(finder, "does not show which modules it serves")
    for hook in [hook for hook in sys.path_hooks if not is_cpython_hook(hook)]:
        its = names_in_hook(hook)
        for entry in sys.path:
            try:
                finder = hook(entry)
            except Exception:
                continue
            listed = {module.name for module in pkgutil.iter_modules([entry])}
            here = {name for name in its | listed if find_spec(name, [finder]) is not None}
            found |= here
            if not here:
                report_trouble(hook, "handles %s, but does not show which modules it serves" % entry)
    return found


def find_modules(names):
    """The packages and extension modules of these names, and of all names below them."""
    packages, files, seen, waiting = [], [], set(), sorted(names, reverse=True)
    while waiting:
        name = waiting.pop()
        if name in seen or len(seen) >= MAX_NAMES:
            continue
        seen.add(name)
        spec = resolve_name(name)
        if spec is None:
            continue
        origin = spec.origin if isinstance(spec.origin, str) else ""
        # The loader may be wrapped in another one.
        is_extension = isinstance(spec.loader, machinery.ExtensionFileLoader)
        is_extension = is_extension or origin.endswith(tuple(machinery.EXTENSION_SUFFIXES))
        if is_extension:
            files.append((name, origin))
        places = [place for place in search_locations(spec) if os.path.isdir(place)]
        if not places and os.path.isfile(origin) and not is_extension:
            # A package without a folder, as meson-python has it, is located by its own file.
            places = [os.path.dirname(origin) if search_locations(spec) else origin]
        packages += [(name, place) for place in places]
        below = [module.name for module in pkgutil.iter_modules(search_locations(spec), name + ".")]
        waiting += sorted(filter(is_name, below), reverse=True)
    if len(seen) >= MAX_NAMES:
        trouble.append("import hooks serve more than %d names: the others were not inspected" % MAX_NAMES)
    return packages, files


packages, files = find_modules(find_served_names())
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"packages": packages, "files": files, "trouble": trouble}, file)
