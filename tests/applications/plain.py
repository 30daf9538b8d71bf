"""What tests/serving.rs asks for: a path for each matter, wsgiref.validate around what is valid."""
import io
import json
import os
import sys
import time
from wsgiref.validate import validator

PLAIN = [("Content-Type", "text/plain")]
closes = [0]


class Closing:
    def __init__(self, pieces):
        self.pieces = iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self.pieces)
        if piece is None:
            raise ValueError("on purpose")
        return piece

    def close(self):
        closes[0] += 1


def hello(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "6")])
    return [b"hello\n"]


def echo(environ, start_response):
    body = environ["wsgi.input"].read(-1)
    start_response("200 OK", PLAIN)
    return [body]


def pieces(environ, start_response):
    start_response("200 OK", PLAIN)
    return Closing([b"one\n", b"", b"two\n", b"three\n"])


def write(environ, start_response):
    start_response("200 OK", PLAIN)(b"written, ")
    return [b"then given"]


def environ_of(environ, start_response):
    start_response("200 OK", PLAIN)
    return [json.dumps({name: str(value) for name, value in environ.items()}).encode()]


def nothing(environ, start_response):
    start_response("404 Not Found", PLAIN)
    return [b"nothing\n"]


def interpreter(environ, start_response):
    import _interpreters

    start_response("200 OK", PLAIN)
    time.sleep(0.002)
    return [str(_interpreters.get_current()[0]).encode()]


def process(environ, start_response):
    start_response("200 OK", PLAIN)
    return [str(os.getpid()).encode()]


def status(environ, start_response):
    headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Keep-Alive", "timeout=5")]
    start_response("299 Odd But Fine", headers)
    return [b"odd"]


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def not_modified(environ, start_response):
    start_response("304 Not Modified", [])
    return []


def raises(environ, start_response):
    start_response("200 OK", PLAIN)
    raise ValueError("on purpose")


def raise_handled(environ, start_response):
    start_response("200 OK", PLAIN)
    try:
        raise ValueError("on purpose")
    except ValueError:
        start_response("503 Service Unavailable", PLAIN, sys.exc_info())
    return [b"handled"]


def raise_late(environ, start_response):
    start_response("200 OK", PLAIN)
    return Closing([b"a", None])


def raise_handled_late(environ, start_response):
    start_response("200 OK", PLAIN)(b"a")
    try:
        raise ValueError("on purpose")
    except ValueError:
        start_response("503 Service Unavailable", PLAIN, sys.exc_info())
    return [b"never"]


def bad_header(environ, start_response):
    start_response("200 OK", [("X-Split", "a\r\nSet-Cookie: evil=1")])
    return [b"never"]


def short(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "10")])
    return [b"12345"]


def long(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "5")])
    return iter([b"1234", b"56789"])


def closed(environ, start_response):
    closes[0] = 0
    for end in ([b"a"], [b"a", None]):
        answer = Closing(end)
        try:
            list(answer)
        except ValueError:
            pass
        answer.close()
    start_response("200 OK", PLAIN)
    return [str(closes[0]).encode()]


def parity(environ, start_response):
    body, reference = environ["wsgi.input"], io.BytesIO(bytes.fromhex(environ["HTTP_X_BODY"]))
    answer = "same"
    for operation in environ["HTTP_X_OPS"].split(","):
        name, _, size = operation.partition(":")
        seen = [apply(source, name, size) for source in (body, reference)]
        if seen[0] != seen[1]:
            answer = f"{operation}: {seen[0]!r}, not {seen[1]!r}"
            break
    start_response("200 OK", PLAIN)
    return [answer.encode()]


def apply(source, name, size):
    if name == "next":
        return next(source, None)
    if name == "readinto":
        buffer = bytearray(int(size))
        return source.readinto(buffer), buffer
    return getattr(source, name)(*([] if size == "" else [None if size == "None" else int(size)]))


def stream_back(environ, start_response):
    start_response("200 OK", PLAIN)
    return iter(lambda: environ["wsgi.input"].read(70_000), b"")


def endless(environ, start_response):
    def answer():
        try:
            while True:
                yield b"x" * 10_000
        finally:
            print("endless was closed", file=environ["wsgi.errors"], flush=True)

    start_response("200 OK", PLAIN)
    return answer()


def slow(environ, start_response):
    time.sleep(0.05)
    start_response("200 OK", PLAIN)
    return [b"slow\n"]


VALID = {
    "/hello": hello,
    "/echo": echo,
    "/pieces": pieces,
    "/write": write,
    "/nothing": nothing,
    "/process": process,
    "/slow": slow,
    "/interpreter": interpreter,
    "/raise-handled": raise_handled,
}
OTHERS = {
    "/status": status,
    "/204": no_content,
    "/304": not_modified,
    "/raise": raises,
    "/raise-late": raise_late,
    "/raise-handled-late": raise_handled_late,
    "/bad-header": bad_header,
    "/short": short,
    "/long": long,
    "/closed": closed,
    "/parity": parity,
    "/stream-back": stream_back,
    "/endless": endless,
}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/environ"):
        return environ_of(environ, start_response)
    if path in VALID:
        return validator(VALID[path])(environ, start_response)
    return OTHERS.get(path, nothing)(environ, start_response)


class inner:
    nested = staticmethod(application)


def create_app():
    return application
