# Sends each request of REQUESTS to a WSGI application (PEP 3333), and compares the replies with EXPECTED, if that is not
# None. The audit writes MODULE, CALLABLE, REQUESTS, NEEDED, EXPECTED, lines_run.py and round.py above this text.
import importlib
import io
import sys
import threading
import time
import urllib.parse

try:
    # Not hashlib: importing more than the application does may hide what the application fails at.
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


def call_application(application, environ):
    """Return status, headers and body."""
    started, written = [], []

    def start_response(status, headers, exc_info=None):
        if exc_info and written:
            raise exc_info[1]
        started[:] = [str(status), list(headers)]
        return written.append

    answer = application(environ, start_response)
    try:
        for part in answer:
            written.append(part)
    finally:
        getattr(answer, "close", bool)()
    if not started:
        raise RuntimeError("the application has not called start_response()")
    return started[0], started[1], b"".join(written)


def describe_reply(status, body):
    """Describe a reply in a few words."""
    return "%s, %d bytes: %s" % (status, len(body), ascii(body[:300].decode("latin-1")))


def check_reply(request, status, body, digest, expected):
    """Return the kind of a reply, and an exception if it is not the expected one."""
    code = status[:3]
    words = "%s answers %s" % (request[0], describe_reply(status, body))
    if expected is not None:
        wanted_codes, wanted_digest, wanted = expected
        if code not in wanted_codes or wanted_digest not in (None, digest):
            return "differs", DifferentAnswer("%s; in the main interpreter it answers %s" % (words, wanted))
    if code[:1] == "5":
        return "failed", DifferentAnswer(words)
    return "answered", None


def send_requests(application, number, expected=None):
    """Send each request once, and go on after a failure, as a server does. Return a line for each reply, or one line with
    all times if the expected replies are known. In that case the first failure is raised at the end, with the lines of failed
    requests only: the record of a trial with many interpreters is bounded."""
    this_round, lines, times, first = Round(), [], [], None
    for index, request in enumerate(REQUESTS):
        status, digest, begins, body, failure = "", "", "", b"", None
        began = time.perf_counter()
        try:
            status, body = this_round.send(application, request)
        except NothingCaptured as error:
            end, failure = "nothing-captured", error
        except Exception as error:
            end, failure, begins = "raised", error, ascii(type(error).__name__)[1:-1]
        took = (time.perf_counter() - began) * 1000
        times.append("%.3f" % took)
        if failure is None:
            digest, begins = sha256(body).hexdigest(), ascii(body[:300].decode("latin-1"))
            end, failure = check_reply(request, status, body, digest, expected and expected[index])
            try:
                this_round.capture(index, request)
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
            pass  # An exception type of the application: then the failed request is not reported.
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
    __answers__ = send_requests(APPLICATION, 0) + send_requests(APPLICATION, 1)
    sys.settrace(None)
    threading.settrace(None)
    __answers__ += executed_lines()
else:
    __answers__ = send_requests(APPLICATION, 0, EXPECTED[0])


def __exercise__():
    send_requests(APPLICATION, 1, EXPECTED[1])
