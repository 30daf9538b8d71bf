"""What the running init function of every extension module returns: the truth for tests/declarations.rs.

Run by the Python whose environment is asked about: `python declared.py FOLDER > truth.jsonl`.
Each module is asked in a process of its own: its parents are imported, its file is loaded, its
`PyInit_` is called, and what that returned is read from memory."""

import ctypes, importlib, importlib.machinery as machinery, importlib.util, json, os, subprocess, sys, sysconfig

TIMEOUT = 60
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
HEAD = 32 if FREE_THREADED else 16


def modules(folder):
    """Every file that the import system would take for an extension module, with its dotted name."""
    suffixes = sorted(machinery.EXTENSION_SUFFIXES, key=len, reverse=True)
    for base, folders, files in sorted(os.walk(folder)):
        folders.sort()
        for file in sorted(files):
            suffix = next((s for s in suffixes if file.endswith(s)), None)
            if suffix:
                path = os.path.join(base, file)
                name = os.path.relpath(path, folder)[: -len(suffix)].replace(os.sep, ".")
                yield path, name.removesuffix(".__init__")


def definition(address):
    read = lambda at, kind: kind.from_address(at).value
    at, slots = read(address + HEAD + 56, ctypes.c_uint64), []
    while at and read(at, ctypes.c_int):
        slots.append([read(at, ctypes.c_int), read(at + 8, ctypes.c_uint64)])
        at += 16
    # The addresses of functions differ from run to run; numbers of value slots do not.
    slots = [[number, value if number in (3, 4) else None] for number, value in slots]
    return {"kind": "multi", "m_size": read(address + HEAD + 40, ctypes.c_int64), "slots": slots}


def exported(address, found, nested=False):
    """A `PySlot` array (PEP 820), or one of the old kind, with those that it names."""
    width = ctypes.c_int if nested else ctypes.c_uint16
    while number := width.from_address(address).value:
        value = ctypes.c_uint64.from_address(address + 8).value
        if number in (92, 94):
            exported(value, found, nested=number == 94)
        else:
            found["m_size"] = value if number == 102 else found["m_size"]
            found["slots"].append([number, value if number in (3, 4, 86, 87, 102) else None])
        address += 16
    return found


def ask(path, name):
    parent, _, stem = name.rpartition(".")
    prefix = "PyInit_" if stem.isascii() else "PyInitU_"
    symbol = prefix + (stem if stem.isascii() else stem.encode("punycode").decode().replace("-", "_"))
    errors = []
    if parent:
        try:
            importlib.import_module(parent)
        except BaseException as error:
            errors.append(f"{parent}: {type(error).__name__}: {error}")
    library = ctypes.PyDLL(path)
    export = getattr(library, symbol.replace("PyInit", "PyModExport"), None)
    if export and sys.version_info >= (3, 15):
        export.restype = ctypes.c_void_p
        return exported(export(), {"kind": "export", "m_size": 0, "slots": []})
    try:
        function = getattr(library, symbol)
    except AttributeError:
        return {"kind": "none"}
    function.restype = ctypes.c_void_p
    try:
        result = function()
    except BaseException as error:
        return {"kind": "raised", "error": f"{type(error).__name__}: {error}"[:200], "parents": errors}
    if not result:
        return {"kind": "null"}
    python_type = ctypes.c_uint64.from_address(result + HEAD - 8).value
    if python_type == ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "PyModuleDef_Type")):
        return definition(result)
    getdef = ctypes.pythonapi.PyModule_GetDef
    getdef.restype, getdef.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    single = {"kind": "single"}
    try:
        if at := getdef(result):
            single["m_size"] = ctypes.c_int64.from_address(at + HEAD + 40).value
    except BaseException:
        pass
    return single


def main(folder):
    for path, name in modules(folder):
        line = {"path": os.path.relpath(path, folder), "name": name}
        try:
            run = subprocess.run(
                [sys.executable, __file__, "--ask", path, name],
                capture_output=True, timeout=TIMEOUT, cwd=folder, stdin=subprocess.DEVNULL,
            )
            answers = [text for text in run.stdout.splitlines() if text.startswith(b"ANSWER ")]
            line |= json.loads(answers[-1][7:]) if answers else {
                "kind": "died", "status": run.returncode, "error": run.stderr.decode(errors="replace")[-200:]
            }
        except subprocess.TimeoutExpired:
            line |= {"kind": "died", "status": "timeout"}
        print(json.dumps(line), flush=True)


if sys.argv[1] == "--ask":
    # Modules may print, and may end the process in their own way when it ends.
    text = json.dumps(ask(*sys.argv[2:4]))
    os.write(1, b"\nANSWER " + text.encode() + b"\n")
    os._exit(0)
main(os.path.abspath(sys.argv[1]))
