"""Compiles sources for trials. Imports nothing but the standard library, and runs none of what it compiles.

Arguments: the folder of the bytecode, laid out as `sys.pycache_prefix` wants it (PEP 304's successor, Python 3.8), and the
folders of the environment. Prints `lacking` if most modules of the environment have no bytecode of their own, and else
`compiled`, and ends. Then each line of standard input is the path of a source to compile. Each file of bytecode holds the
hash of its source (PEP 552), and the import system checks it: bytecode of an older source is never run.
"""

import importlib.util
import os
import py_compile
import resource
import stat
import sys
import sysconfig

MAX_SOURCE_BYTES = 16 << 20
MAX_MEMORY = 2 << 30


def list_first_modules(folder):
    """The modules of a folder, and the packages' first files."""
    for entry in os.scandir(folder):
        if entry.name.endswith(".py"):
            yield entry.path
        elif os.path.isfile(first := os.path.join(entry.path, "__init__.py")):
            yield first


def is_lacking(folders):
    modules = [module for folder in folders if os.path.isdir(folder) for module in list_first_modules(folder)]
    without = [module for module in modules if not os.path.exists(importlib.util.cache_from_source(module))]
    return len(without) * 2 > len(modules)


def link_standard_library(tree):
    """With another folder of bytecode, that of the standard library would not be found."""
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
    found = os.stat(path)
    if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_SOURCE_BYTES:
        target = importlib.util.cache_from_source(path)
        if os.path.islink(target):
            os.unlink(target)
        py_compile.compile(path, target, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def main(tree, *folders):
    if not is_lacking(folders):
        print("compiled", flush=True)
        return
    link_standard_library(tree)
    sys.pycache_prefix = tree
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    print("lacking", flush=True)
    for line in sys.stdin.buffer:
        try:
            compile_source(os.fsdecode(line.rstrip(b"\n")))
        except Exception:
            pass  # Trials compile it themselves, and show what is wrong with it.


main(*sys.argv[1:])
