# The observer: what the probes call in every interpreter of a trial. Each call runs this in a namespace of its own,
# which holds the few names that the probes give it (observe.rs) and is emptied afterwards: foreign code that finds it,
# in a frame or as an object, can neither record a load nor change what later calls do. Imports nothing, so that
# everything a trial loads is due to its subject.
#
#   record(kind, field, ...)   records an event, though none that speaks for a module
#   present(name, module)      records the load of a module that C code has made
#   failures                   (exception, dotted name) of every failed load; holds the exceptions: identity is stable
#   loaded                     dotted names of the extension modules loaded, in order; read by the probes
#   from_within                extension modules loaded while another one was created, by its init function
#   there                      the modules imported before the trial
#   new, functions, waiting    lists of `find_new`, `list_functions` and `call_next`
#   sys, gc, builtins          the modules
#   count_threads, clock, pause   `_thread._count`, `time.monotonic` and `time.sleep`


def words(error):
    """Type name and text of an exception."""
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
    """Names of the modules whose bodies were running when a caught exception was raised, from its traceback."""
    chain, step = [], error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_name == "<module>":
            chain.append(str(step.tb_frame.f_globals.get("__name__")))
        step = step.tb_next
    return chain


def family(error):
    """An exception with all its causes and contexts."""
    seen, waiting = [], [error]
    while waiting:
        error = waiting.pop()
        if error is not None and not any(error is other for other in seen):
            seen.append(error)
            waiting += [error.__cause__, error.__context__]
    return seen


def loads_behind(error):
    """The failed loads that caused an exception, nearest first: `=name` if it is that failure or was raised from it,
    `~name` if it was raised while that failure was handled."""
    raised_from = []
    while error is not None and not any(error is other for other in raised_from):
        raised_from.append(error)
        error = error.__cause__
    handled = [each for each in family(raised_from[0]) if not any(each is other for other in raised_from)]
    marked = [("=", each) for each in raised_from] + [("~", each) for each in handled]
    return ",".join(mark + name for mark, each in marked for name in load_that_failed_with(each))


def load_that_failed_with(error):
    """The innermost load that failed with this exception, as a list of at most one name."""
    return [name for failure, name in failures if failure is error][:1]


def raised_in(error):
    """The module whose Python code raised an exception, or called the C code that did: the module of the innermost
    frame outside of the standard library. Empty if there is no such frame."""
    name, step = "", error.__traceback__
    while step is not None:
        if not is_pythons(step.tb_frame.f_code.co_filename):
            name = str(step.tb_frame.f_globals.get("__name__"))
        step = step.tb_next
    return name


def is_pythons(file):
    """Whether a code object's file belongs to the standard library, the import system or the probes."""
    folder = getattr(sys, "_stdlib_dir", None)
    is_in_folder = isinstance(folder, str) and file.startswith(folder + "/") and "-packages/" not in file
    return file == "<stdin>" or file.startswith("<frozen ") or is_in_folder


TOO_MUCH = (12, 27)  # ENOMEM, EFBIG; the module `errno` may not be built in
READ_ONLY = 30  # EROFS
OF_SQLITE = ("unable to open database file", "attempt to write a readonly database")


def denied_behind(error):
    """The innermost error that the sandbox or its limits may have caused, as `type: text`; empty if there is none."""
    for each in reversed(family(error)):
        number = getattr(each, "errno", None)
        if isinstance(each, (PermissionError, MemoryError)) or number in TOO_MUCH or number == READ_ONLY:
            return "%s: %s" % words(each)
        # sqlite3's own texts for EACCES and EROFS. Compared by name, since sqlite3 may not be imported.
        if type(each).__name__ == "OperationalError" and words(each)[1] in OF_SQLITE:
            return "%s: %s" % words(each)
    return ""


def loading(spec):
    """The fields of the event that an extension module is about to be loaded."""
    # What CPython reads too: `str(...)` of a subclass may be something else.
    name, path = (value if type(value) is str else str.__str__(value) for value in (spec.name, spec.origin))
    return ["loading", name, path, *importing_now(sys._getframe())]


def failed(name, error):
    """The fields of the event that an extension module could not be loaded."""
    kind, text = words(error)
    behind = loads_behind(error)
    failures.append((error, name))
    return ["failed", name, behind, raised_in(error), kind, text, *importing_now(sys._getframe()), name]


def begin(_name):
    """Remember what is imported before the trial."""
    there.update(sys.modules)


def add_last(folders):
    sys.path += folders.split("\0")


def add_first(folders):
    sys.path[:0] = folders.split("\0")


def add_with_pth(folders):
    """Add folders like mod_wsgi's `python-path`: what `site.addsitedir` appends is moved to the front."""
    import site

    old = list(sys.path)
    for folder in folders.split("\0"):
        site.addsitedir(folder)
    sys.path[:] = [entry for entry in sys.path if entry not in old] + old


def bring(name):
    """Import `name`, parents first, and record which of them fails. Returns whether all succeeded."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        step = ".".join(parts[:end])
        record("importing", step)
        try:
            builtins.__import__(step)
        except BaseException as error:
            tell(error)
            return False
    if name in there:
        present_at_start()
    tell_present()
    record("standard", *standard())
    tell_held(from_within)
    answers = own(name, "__answers__")
    if answers:
        record("answered", *answers)
    return True


def standard():
    """The modules of the standard library imported since the trial began."""
    library = getattr(sys, "stdlib_module_names", ())
    return [str(name) for name in list(sys.modules) if name not in there and str(name).split(".")[0] in library]


def bring_alone(name):
    """Import `name` without running the code of its parent packages: these are empty modules with a `__path__`."""
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
    """An attribute from a module's `__dict__`, without its `__getattr__` (PEP 562), which may raise anything."""
    return getattr(sys.modules.get(name), "__dict__", {}).get(attribute, otherwise)


def tell(error):
    """Record that the import that is under way failed."""
    kind, text = words(error)
    answers = answers_of(error)
    if answers:
        record("answered", *answers)
    record("error", loads_behind(error), denied_behind(error), raised_in(error), kind, text, *importing_then(error))


def answers_of(error):
    """The responses that a request driver got before it raised: it stores them in the exception."""
    try:
        answers = vars(error).get("__answers__")
    except BaseException:
        return []
    return answers if type(answers) is list and all(type(each) is str for each in answers) else []


def uncaught(error):
    """The fields of the event that CPython prints an exception because it cannot raise it."""
    kind, text = words(error)
    return ["uncaught", loads_behind(error), raised_in(error), kind, text, *importing_then(error)]


def tell_present():
    """Record extension modules imported without the import system, as mypyc's groups initialize theirs."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        is_new = name not in there and name not in loaded
        if is_new and isinstance(file, str) and file.endswith((".so", ".pyd")):
            present(name, module)


def present_at_start():
    """Record the extension modules imported before the trial, except for CPython's own. Called if the subject is among
    the modules imported before, because a `.pth` file imports it whenever an interpreter starts."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        is_new = name in there and name not in loaded
        if is_new and isinstance(file, str) and file.endswith((".so", ".pyd")) and "/lib-dynload/" not in file:
            present(name, module)


def find_new(_name):
    """Store in `new` the modules imported since the trial began; read by the probes."""
    new[:] = [name for name in sys.modules if name not in there]


def bring_new(names):
    """Import what init functions have imported in the main interpreter, where CPython ran them: it does not repeat
    these imports here. Failed loads are recorded."""
    names = names.split(",")
    for name in names:
        try:
            builtins.__import__(name)
        except BaseException:
            pass
    tell_held([name for name in loaded if name in names])


MOST_HELD = 1000


def tell_held(names):
    """Record which names in other modules refer to objects of these extension modules."""
    for name in names:
        held = held_of(name)
        if name in sys.modules and len(held) < MOST_HELD:
            record("held", name, *held)


def held_of(name):
    """The dotted names in other modules that refer to objects of this extension module."""
    module = sys.modules.get(name)
    its_own = {id(module), *(id(value) for _, value in of_module(name))}
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
    """Whether an object names this module as its own. The object may be one of the main interpreter, whose module is
    a different object."""
    if type(value) is type(len):
        return type(value.__self__) is type(sys) and own_name(value.__self__) == name
    return type(value) is type and value.__module__ == name or type(value) is type(sys) and own_name(value) == name


def own_name(module):
    return module.__dict__.get("__name__")


def create_only(name):
    """Create an extension module from its shared object, without importing its packages and without executing it."""
    finder = sys.modules["_frozen_importlib_external"].PathFinder
    spec, path, parts = None, None, name.split(".")
    for end in range(1, len(parts) + 1):
        spec = finder.find_spec(".".join(parts[:end]), path)
        if spec is None:
            return
        path = spec.submodule_search_locations
    try:
        sys.modules["_imp"].create_dynamic(spec)
    except BaseException:
        pass  # recorded


def storm(names):
    """One thread's part of a stress test: use the subjects repeatedly for 0.03 s, and at least three times unless that
    takes more than 0.5 s."""
    began, rounds = clock(), 0
    while clock() < began + (0.5 if rounds < 3 else 0.03):
        if not use(names):
            return False
        rounds += 1
    return True


def touch(names):
    """Use the subjects, then collect garbage. Returns whether that succeeded."""
    went_well = use(names)
    gc.collect()
    return went_well


def look_at(names):
    """Inspect all objects in the namespaces of the subjects and the loaded extension modules."""
    look(names.split(","))


def use(names):
    """Inspect the subjects and the loaded extension modules, and run the subjects that are exercises once more. Returns
    whether that succeeded."""
    look(names.split(","))
    return repeat(names)


def repeat(names):
    """Run the subjects that are exercises once more. Returns whether that succeeded."""
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
    """Whether threads would outlive the interpreter: daemon threads, and threads started by `_thread`. The end of the
    interpreter waits for all others. Threads about to finish get half a second. Records the threads' names."""
    for _ in range(50):
        threading = sys.modules.get("threading")
        known = list(getattr(threading, "_active", {}).values())
        started = [thread for thread in known if type(thread).__name__ not in ("_MainThread", "_DummyThread")]
        awaited = [thread for thread in started if not thread.daemon and thread.is_alive()]
        if count_threads() <= len(awaited):
            return False
        pause(0.01)
    names = [str(thread.name) for thread in started if thread.daemon]
    record("threads", *(names or ["_thread.start_new_thread"]))
    return True


def list_functions(_name):
    """Store in `functions` what the extension modules outside of the standard library define, as `module:name`; read by
    the probes. A collection ends it."""
    for name in loaded:
        if "/lib-dynload/" not in str(own(name, "__file__", "")):
            functions.extend("%s:%s" % (name, key) for key, _ in of_module(name) if key.isidentifier())
    functions.append("gc:collect")


def call_function(name):
    """Call a function or type with arbitrary arguments."""
    module, _, key = name.rpartition(":")
    call_with_anything(own(module, key))


def stir_memory(_name):
    """Collect garbage, and allocate and free objects of all sizes."""
    for _ in range(4):
        gc.collect()
        [bytes(size) for size in range(2048)], [{"a": None} for _ in range(4096)]


def choose_functions(names):
    """Let `call_next` call only these functions."""
    split = [name.rpartition(":") for name in names.split("\n") if name]
    waiting[:] = [iter([("%s.%s" % (module, key), own(module, key)) for module, _, key in split])]


def call_next(_name):
    """Call the next function or type of the loaded extension modules, with arbitrary arguments. Returns whether there
    was one."""
    if not waiting:
        waiting.append(iter([("%s.%s" % (name, key), value) for name in loaded for key, value in of_module(name)]))
    name, value = next(waiting[0], ("", None))
    if not name:
        return False
    record("calling", name)
    call_with_anything(value)
    return True


def call_with_anything(value):
    for arguments in (), (None,), ("",), (None, None):
        try:
            value(*arguments)
        except BaseException:
            pass


def of_module(name):
    """The callables that an extension module defines, with their names: its functions and its types."""
    module = sys.modules.get(name)
    entries = list(getattr(module, "__dict__", {}).items())
    is_its_own = lambda value: type(value) is type(len) and value.__self__ is module
    is_its_type = lambda value: isinstance(value, type) and value.__module__ == name
    return [(str(key), value) for key, value in entries if is_its_own(value) or is_its_type(value)]
