# WSGI (PEP 3333) in one interpreter. Runs in its own namespace, before the application is imported. The server
# adds its C functions to that namespace (_read, _begin, _send, _send_file, _admit, _log, _report_sources), _settings, a JSON
# document, and a number for each kind of result (_LOADED, _FAILED, _COMPLETE, _SENT, _ABORTED): the first item of what load() and
# respond() return.
import io
import json
import os
import stat
import sys
import traceback
from _thread import get_ident

settings = json.loads(_settings)


def _guard():
    """Make the import system pass every extension module to _admit before loading it."""
    import _imp

    create = _imp.create_dynamic

    def create_dynamic(spec, file=None):
        path = _admit(spec.name, spec.origin)
        aside = type(spec).__new__(type(spec))
        aside.__dict__.update(spec.__dict__)
        aside.origin = path
        module = create(aside)
        # The module must report its original path, not that of the verified copy.
        if getattr(module, "__file__", None) == path:
            module.__file__ = spec.origin
        if getattr(module, "__spec__", None) is aside:
            module.__spec__ = spec
        return module

    _imp.create_dynamic = create_dynamic
    # Python was started without site, so that .pth files and sitecustomize run only after the guard is installed.
    import site

    site.main()


def log(source, level, message, text=""):
    """Write a message to the error log, with the text of a traceback."""
    _log(source, level, message.encode("utf-8", "backslashreplace"), text.encode("utf-8", "backslashreplace"))


class ErrorStream(io.TextIOWrapper):
    """sys.stderr if the error log is JSON: what is written is logged as the application's, in whole lines. What one
    write() takes stays together, and so does a traceback that is written line by line."""

    def __init__(self, stream):
        super().__init__(stream.buffer, encoding=stream.encoding, errors="backslashreplace", line_buffering=True)
        # For each thread: the lines that are held back, and a line that has no end yet.
        self._pieces = {}

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        thread = get_ident()
        pieces = self._pieces.pop(thread, "") + text
        if not pieces.endswith("\n") or _is_unfinished_traceback(pieces):
            self._pieces[thread] = pieces
        elif pieces.strip():
            log(b"application", b"info", pieces.rstrip())
        return len(text)

    def flush(self):
        for thread, text in list(self._pieces.items()):
            # Another thread may be writing a traceback.
            if thread != get_ident() and _is_unfinished_traceback(text):
                continue
            pieces = self._pieces.pop(thread, "")
            if pieces.strip():
                log(b"application", b"info", pieces.rstrip())


def _is_unfinished_traceback(text):
    """Whether a text ends inside of a traceback. The line after its frames is the exception."""
    last = text.rstrip("\n").rpartition("\n")[2]
    return text.startswith("Traceback (most recent call last):") and (last.startswith((" ", "Traceback")) or not last)


_callbacks = []


def subscribe_shutdown(callback):
    """Register callback(event, **kwargs), to be called before the interpreter's threads are joined. Like mod_wsgi's
    function of the same name: the event is "process_stopping", with the keyword argument shutdown_reason."""
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    _callbacks.append(callback)


def _module():
    """Add the module wsgiaudit, the API for hosted applications."""
    import types

    module = types.ModuleType("wsgiaudit", "API for applications hosted by `wsgiaudit serve`.")
    module.subscribe_shutdown = subscribe_shutdown
    module.application_group = settings["group"]
    module.mode = settings["mode"]
    sys.modules["wsgiaudit"] = module


_module()
if settings["switch_interval"] is not None:
    sys.setswitchinterval(settings["switch_interval"])
if settings["guard"]:
    _guard()
if settings["log_format"] == "json" and sys.stderr is not None:
    sys.stderr = ErrorStream(sys.stderr)
sys.path[:0] = settings["path"]
# CPython gives sub-interpreters the arguments of the process, which are the server's.
sys.argv[:] = ["wsgiaudit"]
_process = os.getpid()


def read_switch_interval():
    """Return how long a thread may keep the GIL while others wait, in seconds."""
    return float(sys.getswitchinterval())


def _restrict_signals():
    """Ignore signal.signal with a note, as mod_wsgi does (WSGIRestrictSignal): signals are the server's."""
    import signal

    register = signal.signal

    def ignore(signalnum, handler):
        if os.getpid() != _process:
            return register(signalnum, handler)
        caller = sys._getframe(1)
        where = f"{caller.f_code.co_filename}, line {caller.f_lineno}"
        name = getattr(signalnum, "name", signalnum)
        log(b"server", b"warning", f"signal.signal({name}) is ignored, as under mod_wsgi ({where})")

    signal.signal = ignore


_restrict_signals()


class _Raw(io.RawIOBase):
    """A request body that the server has stored in a file."""

    def __init__(self, exchange):
        self._exchange = exchange

    def readable(self):
        return True

    def readinto(self, buffer):
        data = _read(self._exchange, len(buffer))
        buffer[:len(data)] = data
        return len(data)


class Input(io.BufferedReader):
    """wsgi.input of a large body: reads like io.BytesIO, but without holding the whole body in memory."""

    def read(self, size=-1, /):
        return super().read(-1 if size is None or size < 0 else size)

    def read1(self, size=-1, /):
        return self.read(size)

    def readline(self, size=-1, /):
        return super().readline(-1 if size is None or size < 0 else size)

    def readlines(self, size=None, /):
        if size is None or size <= 0:
            return list(self)
        lines, length = [], 0
        for line in self:
            lines.append(line)
            length += len(line)
            if length >= size:
                break
        return lines


# wsgi.input of a body that is in memory.
memory_input = io.BytesIO


def open_input(exchange):
    return Input(_Raw(exchange), 65536)


class FileWrapper:
    """wsgi.file_wrapper: iterates over the blocks of a file."""

    def __init__(self, filelike, block_size=65536):
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.block_size)
        if data:
            return data
        raise StopIteration


def _file_of(result):
    """Descriptor and offset of the regular file in a FileWrapper; None for any other result."""
    if type(result) is FileWrapper and type(result.filelike) in (io.BufferedReader, io.BufferedRandom, io.FileIO):
        descriptor = result.filelike.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor, result.filelike.tell()
    return None


# The files that were reported for --reload, and how many modules there were then.
_reported = set()
_reported_modules = 0
_standard_library = os.path.dirname(os.__file__) + os.sep
_installed = tuple(_standard_library + name + os.sep for name in ("site-packages", "dist-packages"))


def _files_of_modules():
    for module in list(sys.modules.values()):
        try:
            # Not getattr(): it would load a module that waits for its first use.
            yield object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:
            pass


def _files_of_error(error):
    """The files that an exception is about: an import may fail before there is a module."""
    waiting, seen = [error], set()
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        waiting += [error.__cause__, error.__context__]
        if isinstance(error, SyntaxError):
            yield error.filename
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield frame.f_code.co_filename


def report_sources(error=None):
    """Tell the supervisor which files were loaded since the last time, outside of the standard library (--reload)."""
    global _reported_modules
    if error is None and len(sys.modules) == _reported_modules:
        return
    _reported_modules = len(sys.modules)
    found = set()
    for file in (*_files_of_modules(), *_files_of_error(error)):
        if type(file) is not str or file.startswith("<"):
            continue
        file = os.path.abspath(file)
        if not file.startswith(_standard_library) or file.startswith(_installed):
            found.add(file)
    found -= _reported
    _reported.update(found)
    # The supervisor cannot read a name that is not valid Unicode.
    named = [file for file in found if file.encode("utf-8", "ignore").decode() == file]
    if named:
        _report_sources(json.dumps(named).encode())


def load():
    """Import the application. Returns (_LOADED,), or (_FAILED, traceback)."""
    global application
    try:
        application = _find(settings["application"])
        if settings["reload"]:
            report_sources()
        return (_LOADED,)
    except BaseException as error:
        if settings["reload"]:
            report_sources(error)
        return (_FAILED, "".join(traceback.format_exception(error)))


def _find(wanted):
    # The thread that first imports threading becomes its main thread. This one also ends the interpreter.
    import importlib
    import threading
    import types

    if wanted["is_file"]:
        module = types.ModuleType("_wsgiaudit_application_")
        module.__file__ = wanted["source"]
        sys.modules[module.__name__] = module
        with open(wanted["source"], "rb") as file:
            exec(compile(file.read(), wanted["source"], "exec"), module.__dict__)
    else:
        module = importlib.import_module(wanted["source"])
    found = module
    for part in wanted["attribute"].split("."):
        found = getattr(found, part)
    if wanted["is_factory"]:
        found = found()
    if not callable(found):
        kind = type(found).__name__
        raise TypeError(f"{wanted['attribute']} of {wanted['source']} is not callable: it is of type {kind}")
    return found


def base():
    """The entries that every environ of this interpreter has."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": settings["multithread"],
        "wsgi.multiprocess": settings["multiprocess"],
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
        "SERVER_SOFTWARE": "wsgiaudit",
        "SCRIPT_NAME": "",
    }


def _check(status, headers):
    if not isinstance(status, str):
        raise TypeError(f"status must be a str, not {type(status).__name__}")
    if not isinstance(headers, list):
        raise TypeError(f"headers must be a list, not {type(headers).__name__}")


def respond(environ, exchange):
    """Run the application. Returns (_COMPLETE, status, headers, body), where the body is None if there is none; (_SENT,)
    if the response was sent in chunks; (_ABORTED,) if the application failed after the response head was sent."""
    head = None
    sent = False
    # Whether the response may have a body: not for HEAD, 204 and 304.
    has_body = True

    def begin():
        nonlocal sent, has_body
        if head is None:
            raise AssertionError("the application did not call start_response()")
        has_body = _begin(exchange, head[0], head[1])
        sent = True

    def write(data):
        if not isinstance(data, bytes):
            raise TypeError(f"write() takes bytes, not {type(data).__name__}")
        if not sent:
            begin()
        if data and has_body and not _send(exchange, data):
            raise ConnectionAbortedError("the client has disconnected")

    def start_response(status, headers, exc_info=None):
        nonlocal head
        if exc_info is not None:
            try:
                if sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif head is not None:
            raise AssertionError("start_response() was called again without exc_info")
        _check(status, headers)
        head = status, headers
        return write

    def deliver(result):
        if type(result) is list or type(result) is tuple:
            body = result[0] if len(result) == 1 else b"".join(result)
            if not isinstance(body, bytes):
                raise TypeError(f"the application yielded {type(body).__name__}, not bytes")
            if sent:
                if body and has_body:
                    _send(exchange, body)
                return (_SENT,)
            if head is None:
                raise AssertionError("the application did not call start_response()")
            return (_COMPLETE, head[0], head[1], body)
        file = _file_of(result)
        if file is not None:
            if not sent:
                begin()
            # The server reads the file without holding the GIL.
            _send_file(exchange, *file)
            return (_SENT,)
        for data in result:
            if not isinstance(data, bytes):
                raise TypeError(f"the application yielded {type(data).__name__}, not bytes")
            if data:
                if not sent:
                    begin()
                if not has_body or not _send(exchange, data):
                    return (_SENT,)
        if head is None:
            raise AssertionError("the application did not call start_response()")
        return (_SENT,) if sent else (_COMPLETE, head[0], head[1], None)

    result = None
    try:
        result = application(environ, start_response)
        outcome = deliver(result)
    except BaseException as error:
        if os.getpid() != _process:
            _end_child(error)
        report(environ, error)
        outcome = _failure(sent)
    try:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    except BaseException as error:
        # The response is complete, or it has failed already.
        report(environ, error)
    if os.getpid() != _process:
        _end_child(None)
    if settings["reload"]:
        report_sources()
    return outcome


def _failure(sent):
    """What respond() returns if the application failed: the response head may have been sent."""
    if sent:
        return (_ABORTED,)
    headers = [("Content-Type", "text/plain")]
    return (_COMPLETE, "500 Internal Server Error", headers, b"Internal Server Error\n")


def _end_child(error):
    """End a child that the application forked and that has returned from the application. It has none of the
    server's threads, so it must not serve requests."""
    status = 0
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exception(error)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    os._exit(status & 0xFF)


def report(environ, error):
    """Log the traceback of an application's exception."""
    try:
        where = f"{environ.get('REQUEST_METHOD')} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO')}"
        text = "".join(traceback.format_exception(error))
        log(b"application", b"error", f"the application raised in {where!r}", text)
    except Exception:
        pass


def end():
    """Prepare the end of the interpreter: call the shutdown callbacks, then do what threading does at exit, and flush
    the standard streams."""
    import threading

    for callback in _callbacks:
        try:
            callback("process_stopping", shutdown_reason="shutdown_signal")
        except BaseException as error:
            traceback.print_exception(error)
    for call in reversed(getattr(threading, "_threading_atexits", ())):
        try:
            call()
        except BaseException as error:
            traceback.print_exception(error)
    for thread in threading.enumerate():
        if not thread.daemon and thread not in (threading.current_thread(), threading.main_thread()):
            thread.join()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
