# Runs inside every interpreter of a trial. `record` and `declared` are the probe's functions, set before this
# runs. Imports nothing but built-in modules: what a trial loads must come from the module on trial.
import _imp
import gc
import sys

failures = []  # (exception, dotted name) of every failed load; holds the exceptions, so identity is stable
loaded = []
being_created = []  # dotted names, outermost first
from_within = []  # what was loaded while another one was created: by its init function
there = set(sys.modules)  # before the trial: not its doing


def words(error):
    try:
        text = str(error)
    except BaseException as another:
        text = "<str() of it raised %s>" % type(another).__name__
    return type(error).__name__, text[:8000]


def importing_now(frame):
    """Names of the modules whose bodies are running, outermost first."""
    chain = []
    while frame is not None and frame.f_code is not bring.__code__:
        if frame.f_code.co_name == "<module>":
            chain.append(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    return chain[::-1]


def importing_then(error):
    """The same for an exception that has been caught: from its traceback."""
    chain, step = [], error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_name == "<module>":
            chain.append(str(step.tb_frame.f_globals.get("__name__")))
        step = step.tb_next
    return chain


def family(error):
    """An exception, its causes and contexts."""
    seen, waiting = [], [error]
    while waiting:
        error = waiting.pop()
        if error is not None and not any(error is other for other in seen):
            seen.append(error)
            waiting += [error.__cause__, error.__context__]
    return seen


def loads_behind(error):
    """The failed loads that an exception comes from, nearest first: `=name` where it is that failure or was raised from
    it, `~name` where it was raised in the handling of it."""
    raised_from = []
    while error is not None and not any(error is other for other in raised_from):
        raised_from.append(error)
        error = error.__cause__
    handled = [each for each in family(raised_from[0]) if not any(each is other for other in raised_from)]
    marked = [("=", each) for each in raised_from] + [("~", each) for each in handled]
    return ",".join(mark + name for mark, each in marked for name in load_that_failed_with(each))


def load_that_failed_with(error):
    """The innermost load that failed with this exception, if one did."""
    return [name for failure, name in failures if failure is error][:1]


def raised_in(error):
    """The module whose Python code raised an exception, or called the C code that did: that of the innermost frame
    outside of the standard library. Empty where there is no such frame."""
    name, step = "", error.__traceback__
    while step is not None:
        if not is_pythons(step.tb_frame.f_code.co_filename):
            name = str(step.tb_frame.f_globals.get("__name__"))
        step = step.tb_next
    return name


def is_pythons(file):
    """Whether this file of code is the standard library's, the import system's or the probe's."""
    folder = getattr(sys, "_stdlib_dir", None)
    is_in_folder = isinstance(folder, str) and file.startswith(folder + "/") and "-packages/" not in file
    return file == "<wsgiaudit>" or file.startswith("<frozen ") or is_in_folder


TOO_MUCH = (12, 27)  # ENOMEM, EFBIG: `errno` need not be built in
READ_ONLY = 30  # EROFS
OF_SQLITE = ("unable to open database file", "attempt to write a readonly database")


def denied_behind(error):
    """What the system refused: the innermost error that a sandbox or its limits may have caused."""
    for each in reversed(family(error)):
        number = getattr(each, "errno", None)
        if isinstance(each, (PermissionError, MemoryError)) or number in TOO_MUCH or number == READ_ONLY:
            return "%s: %s" % words(each)
        # Its own words for EACCES and EROFS; its module need not be there.
        if type(each).__name__ == "OperationalError" and words(each)[1] in OF_SQLITE:
            return "%s: %s" % words(each)
    return ""


create_dynamic, exec_dynamic = _imp.create_dynamic, _imp.exec_dynamic
create_builtin = _imp.create_builtin


def failed(name, error):
    kind, text = words(error)
    behind = loads_behind(error)
    failures.append((error, name))
    record("failed", name, behind, raised_in(error), kind, text, *importing_now(sys._getframe(2)), name)


def gil_is_on():
    """Whether this process runs with a GIL: always, but on a free-threaded build."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def create(spec, file=None):
    name, path = str(spec.name), str(spec.origin)
    record("loading", name, path, *importing_now(sys._getframe(1)))
    was_on = gil_is_on()
    if being_created:
        from_within.append(name)
    being_created.append(name)
    try:
        module = create_dynamic(spec) if file is None else create_dynamic(spec, file)
    except BaseException as error:
        failed(name, error)
        raise
    finally:
        being_created.pop()
    if module is not None:
        declared(name, module)
    # CPython decides by what the module declares, right after its creation and before its execution.
    if not was_on and gil_is_on():
        record("gil-enabled", name)
    return module


def execute(module):
    spec = getattr(module, "__spec__", None)
    name = str(getattr(spec, "name", None) or getattr(module, "__name__", "?"))
    try:
        result = exec_dynamic(module)
    except BaseException as error:
        failed(name, error)
        raise
    loaded.append(name)
    record("loaded", name)
    return result


def create_from_within(spec):
    """A module that is built into the interpreter can be refused too: faulthandler is."""
    try:
        return create_builtin(spec)
    except BaseException as error:
        name = str(spec.name)
        record("loading", name, str(spec.origin), *importing_now(sys._getframe(1)))
        failed(name, error)
        raise


_imp.create_dynamic, _imp.exec_dynamic, _imp.create_builtin = create, execute, create_from_within


def add_last(folders):
    sys.path += folders.split("\0")


def add_first(folders):
    sys.path[:0] = folders.split("\0")


def add_with_pth(folders):
    """Add folders as mod_wsgi adds its `python-path`: what `site.addsitedir` appends goes to the front."""
    import site

    old = list(sys.path)
    for folder in folders.split("\0"):
        site.addsitedir(folder)
    sys.path[:] = [entry for entry in sys.path if entry not in old] + old


def bring(name):
    """Import `name`, parents first, and say which of them fails. Returns whether none did."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        step = ".".join(parts[:end])
        record("importing", step)
        try:
            __import__(step)
        except BaseException as error:
            tell(error)
            return False
    if name in there:
        present_at_start()
    present()
    record("standard", *standard())
    tell_held(from_within)
    answers = own(name, "__answers__")
    if answers:
        record("answered", *answers)
    return True


def standard():
    """What has been imported of the standard library."""
    library = getattr(sys, "stdlib_module_names", ())
    return [str(name) for name in list(sys.modules) if name not in there and str(name).split(".")[0] in library]


def bring_alone(name):
    """Import `name` without running its packages: they are there in name only, each with its place on disk."""
    finder, path, parts = sys.modules["_frozen_importlib_external"].PathFinder, None, name.split(".")
    for end in range(1, len(parts)):
        package = ".".join(parts[:end])
        spec = finder.find_spec(package, path)
        if spec is None or spec.submodule_search_locations is None:
            break
        module = type(sys)(package)
        module.__path__ = path = list(spec.submodule_search_locations)
        sys.modules[package] = module
        if end > 1:
            setattr(sys.modules[".".join(parts[:end - 1])], parts[end - 1], module)
    return bring(name)


def own(name, attribute, otherwise=None):
    """What a module itself holds: its `__getattr__` (PEP 562) may answer for more, and raise anything."""
    return getattr(sys.modules.get(name), "__dict__", {}).get(attribute, otherwise)


def tell(error):
    kind, text = words(error)
    answers = answers_of(error)
    if answers:
        record("answered", *answers)
    record("error", loads_behind(error), denied_behind(error), raised_in(error), kind, text, *importing_then(error))


def answers_of(error):
    """What a driver of requests has been answered before it raised: it leaves that in the exception."""
    try:
        answers = vars(error).get("__answers__")
    except BaseException:
        return []
    return answers if type(answers) is list and all(type(each) is str for each in answers) else []


def hear_uncaught(_name):
    """Record what CPython prints since it cannot raise it. An init function that runs in the main interpreter for
    another one's import (since 3.13) may raise there: 3.13 asks `excepthook`, 3.14 `unraisablehook`."""
    print_exception, print_unraisable = sys.excepthook, sys.unraisablehook

    def hear(error):
        if error is not None:
            kind, text = words(error)
            record("uncaught", loads_behind(error), raised_in(error), kind, text, *importing_then(error))

    def hear_exception(kind, error, trace):
        hear(error)
        print_exception(kind, error, trace)

    def hear_unraisable(unraisable):
        hear(unraisable.exc_value)
        print_unraisable(unraisable)

    sys.excepthook, sys.unraisablehook = hear_exception, hear_unraisable


def present():
    """Record what is here without having passed the import system: mypyc's groups initialise their own."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        is_new = name not in there and name not in loaded
        if is_new and isinstance(file, str) and file.endswith((".so", ".pyd")):
            loaded.append(name)
            record("loading", name, file)
            record("loaded", name)


def present_at_start():
    """Record the extension modules that were here before the trial, but for CPython's own. The subject is among them, or
    has brought them along: a `.pth` file imports it whenever an interpreter starts."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        is_new = name in there and name not in loaded
        if is_new and isinstance(file, str) and file.endswith((".so", ".pyd")) and "/lib-dynload/" not in file:
            loaded.append(name)
            record("loading", name, file)
            record("loaded", name)


new = []


def find_new(_name):
    """List what has been imported here."""
    new[:] = [name for name in sys.modules if name not in there]


def bring_new(names):
    """Import what init functions have imported in the main interpreter, where they ran: their imports do not recur here.
    What fails is recorded."""
    names = names.split(",")
    for name in names:
        try:
            __import__(name)
        except BaseException:
            pass
    tell_held([name for name in loaded if name in names])


MOST_HELD = 1000


def tell_held(names):
    """Record where something of each of these modules can be found: in which modules, under which names."""
    for name in names:
        held = held_of(name)
        if name in sys.modules and len(held) < MOST_HELD:
            record("held", name, *held)


def held_of(name):
    module = sys.modules.get(name)
    its_own = set(map(id, [module, *of_module(name)]))
    is_of_it = lambda value: id(value) in its_own or is_named_of(value, name)
    held = []
    for other, each in list(sys.modules.items()):
        values = getattr(each, "__dict__", {}) if each is not module else {}
        for key, value in list(values.items()):
            if is_of_it(value):
                held.append("%s.%s" % (other, key))
            elif type(value) is type and value.__module__ == other:
                inner = list(value.__dict__.items())
                held += ["%s.%s.%s" % (other, key, within) for within, its in inner if is_of_it(its)]
    return sorted(held)


def is_named_of(value, name):
    """Whether it says that it is of this module: the main interpreter's is not the same object."""
    if type(value) is type(len):
        return type(value.__self__) is type(sys) and own_name(value.__self__) == name
    return type(value) is type and value.__module__ == name or type(value) is type(sys) and own_name(value) == name


def own_name(module):
    return module.__dict__.get("__name__")


def create_only(name):
    """Create the module of a shared object, without its packages and without executing it."""
    finder = sys.modules["_frozen_importlib_external"].PathFinder
    spec, path, parts = None, None, name.split(".")
    for end in range(1, len(parts) + 1):
        spec = finder.find_spec(".".join(parts[:end]), path)
        if spec is None:
            return
        path = spec.submodule_search_locations
    try:
        create(spec)
    except BaseException:
        pass  # recorded


def storm(names):
    """One thread's part in using the subject at the same time as others: for a while, three times if that is not long."""
    import time

    began, rounds = time.monotonic(), 0
    while time.monotonic() < began + (0.5 if rounds < 3 else 0.03):
        if not use(names):
            return False
        rounds += 1
    return True


def touch(names):
    """Use the subjects; a collection on top. Returns whether that went well."""
    went_well = use(names)
    gc.collect()
    return went_well


def look_at(names):
    """Look at everything that the subjects and the loaded extension modules hold."""
    look(names.split(","))


def use(names):
    """Look at everything that the subjects and the loaded extension modules hold; run a subject once more, where it
    is an exercise. Returns whether that went well."""
    look(names.split(","))
    return repeat(names)


def repeat(names):
    """Run those subjects once more that are exercises. Returns whether that went well."""
    try:
        for name in names.split(","):
            own(name, "__exercise__", bool)()
    except BaseException as error:
        tell(error)
        return False
    return True


def look(names):
    for each in [*names, *loaded]:
        module = sys.modules.get(each)
        for value in list(getattr(module, "__dict__", {}).values()):
            try:
                value.__doc__
                type(value).__name__
                if isinstance(value, type):
                    list(value.__dict__), value.__mro__
                elif not callable(value) and not isinstance(value, type(sys)):
                    hash(value)
                    if not hasattr(value, "__len__") or len(value) < 1000:
                        repr(value)
            except Exception:
                pass


def leaves_threads(_name):
    """Whether threads would outlive the interpreter: daemon threads, and those of `_thread`. Its end waits
    for the others. One that is about to finish gets half a second."""
    import _thread
    import time

    for _ in range(50):
        threading = sys.modules.get("threading")
        known = list(getattr(threading, "_active", {}).values())
        started = [thread for thread in known if type(thread).__name__ not in ("_MainThread", "_DummyThread")]
        awaited = [thread for thread in started if not thread.daemon and thread.is_alive()]
        if _thread._count() <= len(awaited):
            return False
        time.sleep(0.01)
    names = [str(thread.name) for thread in started if thread.daemon]
    record("threads", *(names or ["_thread.start_new_thread"]))
    return True


waiting = None


def call_next(_name):
    """Call one more function or type of the extension modules loaded, with next to nothing. Whether there was one."""
    global waiting
    if waiting is None:
        waiting = [value for name in loaded for value in of_module(name)]
    if not waiting:
        return False
    value = waiting.pop(0)
    for arguments in (), (None,), ("",), (None, None):
        try:
            value(*arguments)
        except BaseException:
            pass
    return True


def of_module(name):
    """What an extension module itself holds that can be called: its functions and its types."""
    module = sys.modules.get(name)
    values = list(getattr(module, "__dict__", {}).values())
    is_its_own = lambda value: type(value) is type(len) and value.__self__ is module
    return [each for each in values if is_its_own(each) or (isinstance(each, type) and each.__module__ == name)]
