"""Compiles sources for trials. Imports nothing but the standard library, and runs none of what it compiles.

Arguments: the folder of the bytecode, laid out as `sys.pycache_prefix` wants it, and the folders of the environment. Prints
`lacking` if most modules of the environment have no bytecode of their own; otherwise prints `compiled` and ends. After `lacking`,
each line of standard input is the path of a source to compile. Trials name these paths, so only sources of the environment and
of the standard library are compiled, and at most MAX_BYTES of them. Each file of bytecode holds the hash of its source (PEP 552), and the
import system checks it: bytecode of an older source is never run.
"""

import importlib.util
import os
import py_compile
import resource
import stat
import sys
import sysconfig

MAX_SOURCE_BYTES = 16 << 20
MAX_BYTES = 1 << 30  # Of all sources together.
MAX_MEMORY = 2 << 30


def list_modules(folder):
    """Yields the modules of a folder, and the `__init__.py` of each of its packages."""
    for entry in os.scandir(folder):
        if entry.name.endswith(".py"):
            yield entry.path
        elif os.path.isfile(module := os.path.join(entry.path, "__init__.py")):
            yield module


def lacks_bytecode(folders):
    modules = [module for folder in folders if os.path.isdir(folder) for module in list_modules(folder)]
    without = [module for module in modules if not os.path.exists(importlib.util.cache_from_source(module))]
    return len(without) * 2 > len(modules)


def link_standard_library(tree):
    """Links the bytecode of the standard library: Python looks for all bytecode in the same folder."""
    library = sysconfig.get_path("stdlib")
    ending = f".{sys.implementation.cache_tag}.pyc"
    for folder, folders, _ in os.walk(library):
        folders[:] = [name for name in folders if name not in ("site-packages", "dist-packages", "test", "idlelib")]
        if "__pycache__" not in folders:
            continue
        folders.remove("__pycache__")
        compiled = os.path.join(folder, "__pycache__")
        target = os.path.join(tree, folder.lstrip("/"))
        os.makedirs(target, exist_ok=True)
        for name in set(os.listdir(compiled)) - set(os.listdir(target)):
            if name.endswith(ending):
                os.symlink(os.path.join(compiled, name), os.path.join(target, name))


def compile_source(path):
    target = importlib.util.cache_from_source(path)
    if os.path.islink(target):
        os.unlink(target)
    py_compile.compile(path, target, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def main(tree, *folders):
    if not lacks_bytecode(folders):
        print("compiled", flush=True)
        return
    link_standard_library(tree)
    sys.pycache_prefix = tree
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    print("lacking", flush=True)
    roots = tuple(os.path.join(folder, "") for folder in (*folders, sysconfig.get_path("stdlib")))
    left = MAX_BYTES
    for line in sys.stdin.buffer:
        path = os.fsdecode(line.rstrip(b"\n"))
        try:
            found = os.stat(path)
            is_wanted = stat.S_ISREG(found.st_mode) and found.st_size <= min(MAX_SOURCE_BYTES, left)
            if is_wanted and os.path.normpath(path).startswith(roots):
                left -= found.st_size
                compile_source(path)
        except Exception:
            pass  # Trials compile it themselves, and show what is wrong with it.


main(*sys.argv[1:])
