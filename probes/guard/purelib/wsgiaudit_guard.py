"""Loads an extension module only if an audit has vetted it for this interpreter.

`import wsgiaudit_guard` at the top of a WSGI script under mod_wsgi, before anything else. It reads the report that
`wsgiaudit VENV --json wsgiaudit.json` writes: the file that the environment variable WSGIAUDIT_REPORT names, or
`wsgiaudit.json` beside the script. From then on, this interpreter loads a shared object only if the report has its
path and its SHA-256, and its verdict for this interpreter's mode is `ready`. Otherwise the import raises an
ImportError that names the module, the verdict, its root cause, and the command that explains what to do. The same
text goes to sys.stderr, which is Apache's error log.

CPython calls its audit hooks just before it opens a shared object (PEP 578, the event `import` with a file name;
`Python/import.c`), in whatever way the load was requested, and a hook cannot be removed. The guard does not see what
bypasses CPython's loader, such as ctypes. Nor does it see a change of a file between the computation of its digest
and its opening, so it does not protect from a user who can write to the files. Extension modules of CPython itself
need no verdict, since CPython refuses those that do not support an interpreter; the report has their SHA-256 too.

In a trial of an audit, which produces the report, everything is admitted.

`wsgiaudit_guard.use_copies(FOLDER)`, right after the import, switches an interpreter with its own GIL to the mode
`own-gil-copies`: it loads extension modules from its private copies in FOLDER, which `wsgiaudit copies` made, and
admits what the report vetted for that mode. CPython does not promise that this works; the report's evidence is all
that it rests on."""

import hashlib
import json
import os
import sys

__all__ = ["mode", "use_copies"]

_told = set()


def _mode():
    """The mode of this interpreter, as the report names it."""
    import sysconfig

    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters  # 3.12, which does not say whose GIL an interpreter uses
    current = interpreters.get_current()
    current = current[0] if isinstance(current, tuple) else current
    is_main = int(current) == 0
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "free-threaded" if is_main else "free-threaded-group"
    if is_main:
        return "main"
    config = getattr(interpreters, "get_config", None)
    # If the configuration cannot be read, the stricter mode.
    return "own-gil" if config is None or config(current).gil == "own" else "shared-gil"


def _is_in_trial():
    """Whether an audit tries this code: its audit hook answers (probes/src/trial/file_access_log.rs). Under mod_wsgi
    no trial runs, so the event is not raised."""
    if "mod_wsgi" in sys.modules:
        return False
    try:
        sys.audit("wsgiaudit_guard.begin")
    except InterruptedError:
        return True
    return False


def _say(text):
    print(f"wsgiaudit_guard: {text}", file=sys.stderr, flush=True)


def _refuse(text, name=None, path=None):
    """Raises an ImportError. Prints the text only once, since an application may try again with every request."""
    if text not in _told:
        _told.add(text)
        _say(text)
    raise ImportError(f"wsgiaudit_guard: {text}", name=name, path=path)


def _find():
    """The path of the report."""
    named = os.environ.get("WSGIAUDIT_REPORT")
    if named:
        return named
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith("<"):
            return os.path.join(os.path.dirname(os.path.abspath(file)), "wsgiaudit.json")
        frame = frame.f_back
    return "wsgiaudit.json"


def _read(file):
    """The modules of the report, and the digests of CPython's own, by path with symbolic links resolved."""
    hint = "write it with wsgiaudit VENV --json wsgiaudit.json, beside the WSGI script or named by WSGIAUDIT_REPORT"
    try:
        with open(file, encoding="utf-8") as stream:
            report = json.load(stream)
        if report["schema"] != 1:
            _refuse(f"the report {file} has schema {report['schema']}, and this guard reads schema 1")
        places = report["header"]["places"]
        vetted = {}
        for module in report["modules"]:
            folder = module["folder"]
            for place, path in places.items():
                folder = folder.replace("{" + place + "}", path)
            vetted[os.path.realpath(os.path.join(folder, module["file"]))] = module
        if "standard_modules" not in report["environment"]:
            _refuse(f"the report {file} lacks the SHA-256 of CPython's own modules; audit the environment again")
        standard = {}
        for module in report["environment"]["standard_modules"]:
            path = module["file"]
            for place, folder in places.items():
                path = path.replace("{" + place + "}", folder)
            standard[os.path.realpath(path)] = module["sha256"]
    except OSError as error:
        _refuse(f"no report can be read ({error}); {hint}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _refuse(f"{file} is no report of wsgiaudit with its header ({error!r}); {hint}")
    return vetted, standard


def _digest(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _why_not(name, path):
    """`None` if a file is vetted for this interpreter, otherwise the reason why it is not."""
    real = os.path.realpath(path)
    module = _vetted.get(real)
    if module is None and real not in _standard:
        return f"{path} is not in the report; audit the environment again"
    expected = _standard[real] if module is None else module.get("sha256")
    digest = _digest(path)
    if digest != expected:
        return f"{path} has changed since the audit; audit the environment again"
    if module is None:
        return None
    if mode == _WITH_COPIES:
        why = _why_no_copy(real, digest)
        if why is not None:
            return why
    judged = module["modes"].get(mode)
    if judged is None:
        return f"the audit did not ask about {mode}"
    if judged["verdict"] == "ready":
        return None
    why = f"{judged['verdict']}: {judged.get('reason') or 'no reason given'}"
    cause = judged.get("cause")
    if cause:
        chain = " -> ".join(cause["chain"])
        why += f"; root cause {cause['module']} ({chain}); the way out: wsgiaudit explain {cause['rule']}"
    return why


def _why_no_copy(path, digest):
    """`None` if this interpreter has a copy of a file that was made from these bytes, otherwise what is wrong."""
    made = _copies["objects"].get(path)
    if made is None:
        return f"{path} has no private copy; make the copies again with wsgiaudit copies"
    if made["sha256"] != digest:
        return f"the private copy of {path} was made from another version; make the copies again with wsgiaudit copies"
    copy = made["copies"][_copies["number"]]
    if _digest(os.path.join(_copies["folder"], copy["path"])) != copy["sha256"]:
        return f"the private copy of {path} was changed after it was made; make the copies again"
    return None


def use_copies(folder):
    """Makes this interpreter load extension modules from private copies in `folder`, which `wsgiaudit copies` made.

    Each interpreter of a process takes a set of copies that no other one has taken. Raises ImportError if this is no
    interpreter with its own GIL, if no set is left, or if the folder cannot be read. In a trial of an audit it does
    nothing."""
    global mode
    if _is_off:
        return
    if mode != "own-gil":
        _refuse(f"private copies need an interpreter with its own GIL, and the mode of this one is {mode}")
    folder = os.path.realpath(folder)
    try:
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as stream:
            manifest = json.load(stream)
        if manifest["schema"] != 1:
            _refuse(f"{folder} has schema {manifest['schema']}, and this guard reads schema 1")
        objects = {each["source"]: each for each in manifest["objects"]}
        trees = [os.path.join(folder, each) for each in manifest["trees"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        _refuse(f"{folder} is no folder of private copies ({error!r}); make it with wsgiaudit copies")
    native = os.path.join(folder, "wsgiaudit_copies.so")
    _own.add(native)  # it loads itself again, to find where CPython keeps the name of the module being loaded
    try:
        number = _install_first_free(_load_native(native), trees, folder)
    finally:
        _own.discard(native)
    _copies.update(folder=folder, number=number, objects=objects)
    mode = _WITH_COPIES
    _say(f"private copies: this interpreter uses set {number} of {len(trees)} in {folder}")


def _install_first_free(loader, trees, folder):
    """Installs the first set that no interpreter of this process has taken. Returns its number."""
    problem = "there is none"
    for number, tree in enumerate(trees):
        try:
            loader.install(tree)
        except RuntimeError as error:
            problem = error
        else:
            return number
    _refuse(f"no set of private copies in {folder} can be used ({problem}); make more with wsgiaudit copies")


def _load_native(path):
    """The extension module that loads copies. It declares slot 3 = 2, and CPython loads it as any other."""
    import _imp

    try:
        module = _imp.create_dynamic(type(sys.implementation)(name="wsgiaudit_copies", origin=path))
        _imp.exec_dynamic(module)
        return module
    except ImportError as error:
        _refuse(f"{path} cannot be loaded: {error}")


def _admit(name, path):
    if path in _own:
        return
    try:
        why = _why_not(name, path)
    except OSError as error:
        why = f"{path} cannot be read: {error}"
    if why is not None:
        _refuse(f"{name} is not vetted for {mode}: {why}", name, path)


def _hook(event, arguments):
    if event == "import" and len(arguments) > 1 and arguments[1] is not None:
        _admit(str(arguments[0]), os.fsdecode(arguments[1]))


def _begin():
    sys.addaudithook(_hook)
    # Modules that are loaded already are checked too: they cannot be unloaded, but the application does not start.
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        if type(getattr(spec, "loader", None)).__name__ == "ExtensionFileLoader" and spec.origin:
            _admit(spec.name, spec.origin)
    _say(f"on for {mode}, with {len(_vetted)} files in the report")


_WITH_COPIES = "own-gil-copies"
_copies = {}  # folder, number of the set, and objects by source, once use_copies has been called
_own = set()  # the native part of this module while it loads

mode = _mode()
_is_off = _is_in_trial()
if _is_off:
    _say("off: this is a trial of an audit")
else:
    _vetted, _standard = _read(_find())
    _begin()
