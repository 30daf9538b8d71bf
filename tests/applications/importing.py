"""What tests/guard.rs asks for: imports what the path names; each other path is a way around the guard."""
import importlib
import importlib.machinery
import importlib.util
import sys


def spec_of(path):
    name = path.rsplit("/", 1)[1].split(".")[0]
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    return importlib.machinery.ModuleSpec(name, loader, origin=path)


def original_function(path):
    """The function that the guard replaced, found in the closure of what replaced it."""
    import _imp

    for cell in _imp.create_dynamic.__closure__:
        if callable(cell.cell_contents):
            return cell.cell_contents(spec_of(path))
    raise LookupError("not found")


def fresh_imp(path):
    """A second _imp, which nothing has replaced anything of."""
    del sys.modules["_imp"]
    import _imp

    return _imp.create_dynamic(spec_of(path))


def loader(path):
    return importlib.util.module_from_spec(spec_of(path))


def lying_origin(path):
    """An origin that says something else the second time that it is asked."""

    class Spec(importlib.machinery.ModuleSpec):
        asked = 0

        @property
        def origin(self):
            self.asked += 1
            return vetted if self.asked == 1 else path

        @origin.setter
        def origin(self, value):
            pass

    import _imp

    vetted = importlib.util.find_spec("well_behaved").origin
    name = path.rsplit("/", 1)[1].split(".")[0]
    return _imp.create_dynamic(Spec(name, None, origin=path))


def other_interpreter(path):
    """An interpreter of the application's own, which the guard has not been in."""
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    other = interpreters.create()
    name = path.rsplit("/", 1)[1].split(".")[0]
    script = (
        "import importlib.machinery as machinery, importlib.util as util\n"
        f"loader = machinery.ExtensionFileLoader({name!r}, {path!r})\n"
        f"util.module_from_spec(machinery.ModuleSpec({name!r}, loader, origin={path!r}))\n"
    )
    try:
        failure = interpreters.run_string(other, script)
    finally:
        interpreters.destroy(other)
    if failure is not None:
        raise ImportError(failure.msg)
    return importlib


WAYS = {
    "/original-function": original_function,
    "/fresh-imp": fresh_imp,
    "/loader": loader,
    "/lying-origin": lying_origin,
    "/other-interpreter": other_interpreter,
}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    try:
        if path.startswith("/import/"):
            module = importlib.import_module(path.removeprefix("/import/"))
        else:
            module = WAYS[path](environ["QUERY_STRING"])
        said = module.__file__
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]
