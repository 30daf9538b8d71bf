# Asks a WSGI application (PEP 3333) each request of REQUESTS, and compares its answers with EXPECTED, where that is known.
# What stands above this was written by the audit: MODULE, CALLABLE, REQUESTS, NEEDED, EXPECTED,
# lines_run.py and round.py.
import importlib
import io
import sys
import threading
import time
import urllib.parse

try:
    # Of hashlib's this alone: who imports more than the application does may hide what the application fails at.
    from _sha2 import sha256
except ImportError:
    from hashlib import sha256


class DifferentAnswer(Exception):
    pass


def environ_of(method, scheme, target, headers, body):
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.encode().decode("latin-1"),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443" if scheme == "https" else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if scheme == "https":
        environ["HTTPS"] = "on"
    for name, value in headers.items():
        name = name.upper().replace("-", "_")
        value = value.encode().decode("latin-1")
        environ[name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + name] = value
    return environ


def ask(application, environ):
    """Status, headers and body."""
    began, written = [], []

    def start_response(status, headers, exc_info=None):
        if exc_info and written:
            raise exc_info[1]
        began[:] = [str(status), list(headers)]
        return written.append

    answer = application(environ, start_response)
    try:
        for part in answer:
            written.append(part)
    finally:
        getattr(answer, "close", bool)()
    if not began:
        raise RuntimeError("the application has not called start_response()")
    return began[0], began[1], b"".join(written)


def told(status, body):
    """An answer in a few words."""
    return "%s, %d bytes: %s" % (status, len(body), ascii(body[:300].decode("latin-1")))


def failure_of(request, status, body, digest, expected):
    """How an answer ended, and the exception that says so where it is none that was expected."""
    code = status[:3]
    words = "%s answers %s" % (request[0], told(status, body))
    if expected is not None:
        wanted_codes, wanted_digest, wanted = expected
        if code not in wanted_codes or wanted_digest not in (None, digest):
            return "differs", DifferentAnswer("%s; in the main interpreter it answers %s" % (words, wanted))
    if code[:1] == "5":
        return "failed", DifferentAnswer(words)
    return "answered", None


def asked(application, number, expected=None):
    """Ask each request once, and go on after what fails, as a server does. Return a line for each; where it is known what is
    expected, how long each took, in one line. The first failure is raised when all have been asked, and has the lines, then
    of failures alone: the record of a trial with many interpreters is bounded."""
    here, lines, times, first = Round(), [], [], None
    for index, request in enumerate(REQUESTS):
        status, digest, begins, body, failure = "", "", "", b"", None
        began = time.perf_counter()
        try:
            status, body = here.ask(application, request)
        except NothingCaptured as error:
            end, failure = "nothing-captured", error
        except Exception as error:
            end, failure, begins = "raised", error, ascii(type(error).__name__)[1:-1]
        took = (time.perf_counter() - began) * 1000
        times.append("%.3f" % took)
        if failure is None:
            digest, begins = sha256(body).hexdigest(), ascii(body[:300].decode("latin-1"))
            end, failure = failure_of(request, status, body, digest, expected and expected[index])
            try:
                here.capture(index, request)
            except NothingCaptured as error:
                if failure is None:
                    end, failure = "nothing-captured", error
        first = failure if first is None else first
        if expected is None or failure is not None:
            shown = ascii(status)[1:-1]
            lines.append("asked\t%d\t%d\t%s\t%.3f\t%s\t%d\t%s\t%s" % (
                number, index, end, took, shown, len(body), digest, begins))
    if first is not None:
        try:
            first.__answers__ = lines
        except Exception:
            pass  # An exception of the application's own making: then which request it was is not told.
        raise first
    return lines if expected is None else ["took\t" + ",".join(times)]


if EXPECTED is None:
    threading.settrace(trace)
    sys.settrace(trace)
APPLICATION = importlib.import_module(MODULE)
for part in CALLABLE.removesuffix("()").split("."):
    APPLICATION = getattr(APPLICATION, part)
if CALLABLE.endswith("()"):
    APPLICATION = APPLICATION()
if EXPECTED is None:
    __answers__ = asked(APPLICATION, 0) + asked(APPLICATION, 1)
    sys.settrace(None)
    threading.settrace(None)
    __answers__ += lines_run()
else:
    __answers__ = asked(APPLICATION, 0, EXPECTED[0])


def __exercise__():
    asked(APPLICATION, 1, EXPECTED[1])
