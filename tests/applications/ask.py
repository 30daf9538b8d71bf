# Asks an application the requests of a list, by means that have nothing of wsgiaudit's: for the tests, which hold its report
# against what this sees. Knows as much of the format as the lists here use. In the main interpreter, or, with `--own-gil`, in
# one with a GIL of its own.
#
#   python ask.py [--own-gil] site.py requests.http
#
# Prints JSON: the status of each answer, and the extension modules that are loaded afterwards from no part of Python's own.
import json
import re
import sys

SOURCE = """
import http.cookies, importlib.util, io, json, re, sys, sysconfig, urllib.parse, wsgiref.util

def parts(text):
    for part in re.split("(?m)^###.*\\n?", text):
        lines = part.splitlines()
        captures = [re.match("# @capture ([a-z]+) = (.*)", line) for line in lines]
        yield [line for line in lines if not line.startswith(("#", "@"))], [each.groups() for each in captures if each]

def requests(text):
    variables = dict(re.findall("(?m)^@([a-z]+) *= *(.*)$", text))
    for lines, captures in parts(text):
        while lines and not lines[0].strip():
            lines.pop(0)
        if lines:
            yield "\\n".join(lines), captures, variables

def ask(application, text):
    jar, statuses = http.cookies.SimpleCookie(), []
    values = None
    for request, captures, variables in requests(text):
        values = variables if values is None else values
        is_form = "x-www-form-urlencoded" in request
        head, _, body = request.partition("\\n\\n")
        fill = lambda text, quote: re.sub("{{([a-z]+)}}", lambda name: quote(values[name[1]]), text)
        head, body = fill(head, str), fill(body, urllib.parse.quote_plus if is_form else str).strip()
        if is_form:
            body = body.replace("\\n", "")
        (method, url, *_), *headers = head.splitlines()[0].split(), *[line.split(": ", 1) for line in head.splitlines()[1:]]
        url = urllib.parse.urlsplit(url)
        environ = {"REQUEST_METHOD": method, "PATH_INFO": urllib.parse.unquote(url.path), "QUERY_STRING": url.query,
                   "HTTP_HOST": url.netloc or "localhost", "wsgi.input": io.BytesIO(body.encode()), "SERVER_NAME": "localhost",
                   "CONTENT_LENGTH": str(len(body.encode())), "REMOTE_ADDR": "127.0.0.1", "SCRIPT_NAME": ""}
        wsgiref.util.setup_testing_defaults(environ)
        for name, value in headers:
            name = name.upper().replace("-", "_")
            environ[name if name == "CONTENT_TYPE" else "HTTP_" + name] = value
        if jar:
            environ["HTTP_COOKIE"] = "; ".join(f"{name}={cookie.value}" for name, cookie in jar.items())
        began = []
        try:
            answer = application(environ, lambda status, headers, error=None: began.append((status, headers)))
            content = b"".join(answer)
            getattr(answer, "close", bool)()
            status, headers = began[-1]
        except Exception as error:
            statuses.append(f"{type(error).__name__}: {error}")
            continue
        statuses.append(status[:3])
        for name, value in headers:
            if name.lower() == "set-cookie":
                jar.load(value)
        for name, pattern in captures:
            values[name] = re.search(pattern, content.decode())[1]
    return statuses

def loaded():
    own = sysconfig.get_path("stdlib")
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".so") and ("site-packages" in file or not file.startswith(own)):
            yield module.__spec__.name if getattr(module, "__spec__", None) else name

def run(site, text):
    try:
        spec = importlib.util.spec_from_file_location("site_on_trial", site)
        module = importlib.util.module_from_spec(spec)
        sys.modules["site_on_trial"] = module
        spec.loader.exec_module(module)
    except Exception as error:
        return {"statuses": [f"{type(error).__name__}: {error}"], "loaded": []}
    return {"statuses": ask(module.application, text), "loaded": sorted(set(loaded()))}
"""

site, requests = sys.argv[-2:]
text = open(requests).read()
work = f"{SOURCE}\nanswer = json.dumps(run({site!r}, {text!r}))\n"
if "--own-gil" in sys.argv:
    import os

    import _interpreters

    reading, writing = os.pipe()
    interpreter = _interpreters.create("isolated")
    failure = _interpreters.exec(interpreter, f"{work}\nimport os\nos.write({writing}, answer.encode())\n")
    answer = json.dumps({"statuses": [str(failure)], "loaded": []}) if failure else os.read(reading, 65536).decode()
else:
    space = {}
    exec(work, space)
    answer = space["answer"]
print(answer)
sys.stdout.flush()
