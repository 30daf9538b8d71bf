# Asks a WSGI application (PEP 3333) each request of REQUESTS, and compares its answers with EXPECTED, where that is
# known. What stands above this was written by the audit: MODULE, CALLABLE, REQUESTS, EXPECTED.
import binascii
import importlib
import io
import sys
import threading
import urllib.parse


class DifferentAnswer(Exception):
    pass


def environ_of(method, target, headers, body):
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        name = name.upper().replace("-", "_")
        environ[name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + name] = value
    return environ


def ask(application, request):
    """Status and body."""
    began, written = [], []

    def start_response(status, headers, exc_info=None):
        if exc_info and written:
            raise exc_info[1]
        began[:] = [status]
        return written.append

    answer = application(environ_of(*request), start_response)
    try:
        for part in answer:
            written.append(part)
    finally:
        getattr(answer, "close", bool)()
    return str(began[0]), b"".join(written)


def told(status, body):
    """An answer as one line: its first bytes, and a checksum of all."""
    return "%s, %d bytes (%08x): %s" % (status, len(body), binascii.crc32(body), ascii(body[:300].decode("latin-1")))


def asked(application):
    answers = [told(*ask(application, request)) for request in REQUESTS]
    for request, answer in zip(REQUESTS, answers):
        if answer[:1] == "5":
            raise DifferentAnswer("%s %s answers %s" % (*request[:2], answer))
    return answers


def compare(answers, expected):
    for request, answer, (status, whole) in zip(REQUESTS, answers, expected):
        wanted = whole or status
        if not answer.startswith(wanted):
            raise DifferentAnswer(
                "%s %s answers %s; in the main interpreter it answers %s" % (*request[:2], answer, wanted)
            )


if EXPECTED is None:
    threading.settrace(trace)
    sys.settrace(trace)
APPLICATION = importlib.import_module(MODULE)
for part in CALLABLE.removesuffix("()").split("."):
    APPLICATION = getattr(APPLICATION, part)
if CALLABLE.endswith("()"):
    APPLICATION = APPLICATION()
if EXPECTED is None:
    __answers__ = asked(APPLICATION) + asked(APPLICATION)
    sys.settrace(None)
    threading.settrace(None)
    __answers__ += lines_run()
else:
    compare(asked(APPLICATION), EXPECTED[0])


def __exercise__():
    compare(asked(APPLICATION), EXPECTED[1])
