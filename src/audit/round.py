# One round of requests: the cookies that it is given, as a browser keeps them (RFC 6265), and the values that it takes
# from one answer for a later request. Both are taken anew in each interpreter, and in each round.
import os
import re
import time
import urllib.parse


class NothingCaptured(Exception):
    pass


class Jar:
    def __init__(self):
        self.kept = {}  # (host, path, name) -> (value, whether by https alone, whether for hosts below)

    def keep(self, line, scheme, host, path):
        """Keep what a Set-Cookie header says, or drop a cookie by it."""
        first, *rest = line.split(";")
        name, equals, value = (part.strip() for part in first.partition("="))
        said = {}
        for each in rest:
            key, _, what = each.partition("=")
            said[key.strip().lower()] = what.strip()
        domain = said.get("domain", "").lstrip(".").lower()
        is_foreign = domain and host != domain and not host.endswith("." + domain)
        is_secure = "secure" in said
        if not equals or not name or is_foreign or is_secure and scheme != "https":
            return
        place = said.get("path", "")
        if not place.startswith("/"):
            place = path[:path.rfind("/")] or "/"
        key = (domain or host, place, name)
        if has_ended(said):
            self.kept.pop(key, None)
        else:
            self.kept[key] = (value, is_secure, bool(domain))

    def of(self, scheme, host, path):
        """Name and value of each cookie that goes with a request, those of the longest path first."""
        found = []
        for (domain, place, name), (value, is_secure, is_wide) in self.kept.items():
            is_here = host == domain or is_wide and host.endswith("." + domain)
            is_below = path == place or path.startswith(place if place.endswith("/") else place + "/")
            if is_here and is_below and (scheme == "https" or not is_secure):
                found.append((place, name, value))
        found.sort(key=lambda cookie: -len(cookie[0]))
        return [(name, value) for _, name, value in found]


MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


def has_ended(said):
    """Whether a cookie with these attributes is one that the application takes back."""
    if re.fullmatch("-?[0-9]+", said.get("max-age", "")):
        return int(said["max-age"]) <= 0
    date = re.search("([0-9]{1,2})[ -]([a-zA-Z]{3})[a-zA-Z]*[ -]([0-9]{2,4})", said.get("expires", ""))
    if date is None or date[2].lower() not in MONTHS:
        return False
    year = int(date[3])
    year += 0 if year > 99 else 2000 if year < 70 else 1900
    now = time.gmtime()
    return (year, MONTHS.index(date[2].lower()) + 1, int(date[1])) < (now.tm_year, now.tm_mon, now.tm_mday)


ENTITIES = {"&quot;": '"', "&#34;": '"', "&#x27;": "'", "&#39;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}


class Round:
    def __init__(self):
        self.jar, self.captured, self.answers = Jar(), {}, {}

    def ask(self, application, request):
        """Ask, keep the cookies, and return status and body."""
        _, method, scheme, target, headers, body, has_cookies, _ = request
        target = self.filled(target)
        given = {}
        if target.startswith(("http://", "https://")):
            scheme, _, target = target.partition("://")
            given["Host"], slash, path = target.partition("/")
            target = slash + path or "/"
        given.update((name, self.filled(value)) for name, value in headers)
        names = {name.lower(): name for name in given}
        given.setdefault(names.get("host", "Host"), "localhost")
        host = given[names.get("host", "Host")].rsplit(":", 1)[0].lower()
        path = target.partition("?")[0]
        if has_cookies:
            own = given.pop(names.get("cookie", "Cookie"), "")
            typed = {part.partition("=")[0].strip() for part in own.split(";")}
            kept = ["%s=%s" % cookie for cookie in self.jar.of(scheme, host, path) if cookie[0] not in typed]
            if own or kept:
                given["Cookie"] = "; ".join([own] * bool(own) + kept)
        kind = given.get(names.get("content-type", ""), "")
        content = b"".join(self.content(part, "urlencoded" in kind.lower()) for part in body)
        status, said, answer = ask(application, environ_of(method, scheme, target, given, content))
        self.last = (status, said, answer)
        for name, value in said:
            if has_cookies and name.lower() == "set-cookie":
                self.jar.keep(value, scheme, host, path)
        return status, answer

    def content(self, part, is_form):
        """Part of a body: a text, or the name of a file beside this one."""
        kind, what = part
        if kind == "file":
            with open(os.path.join(os.path.dirname(__file__), what), "rb") as file:
                return file.read()
        return self.filled(what, is_form).encode()

    def filled(self, pieces, is_form=False):
        """A text with its values. In a form's body they are percent-encoded, as what is typed there must be."""
        texts = []
        for piece in pieces:
            if isinstance(piece, str):
                texts.append(piece)
            else:
                value = self.value(*piece)
                texts.append(urllib.parse.quote(value, safe="") if is_form else value)
        return "".join(texts)

    def value(self, kind, typed, *where):
        if kind == "variable":
            return os.environ[where[0]]
        if kind == "captured":
            if where[0] not in self.captured:
                raise NothingCaptured("{{%s}} has no value: its request was not answered" % typed)
            return self.captured[where[0]]
        index, what = where
        if index not in self.answers:
            raise NothingCaptured("{{%s}} has no value: its request was not answered" % typed)
        status, headers, body = self.answers[index]
        if kind == "header":
            found = [value for name, value in headers if name.lower() == what.lower()]
        else:
            found = in_json(body, what) if what is not None else [body.decode("utf-8", "replace")]
        if not found:
            raise NothingCaptured("{{%s}} has no value: the answer (%s) does not hold it" % (typed, status))
        return found[0]

    def capture(self, index, request):
        """Take from the last answer what later requests want."""
        status, headers, body = self.last
        if index in NEEDED:
            self.answers[index] = self.last
        is_html = any(name.lower() == "content-type" and "html" in value.lower() for name, value in headers)
        for name, pattern, line in request[-1]:
            try:
                found = re.search(pattern, body.decode("utf-8", "replace"))
            except re.error as error:
                raise NothingCaptured("line %d: no regular expression of Python's: %s" % (line, error)) from None
            value = found and (found[1] if found.re.groups else found[0])
            if value is None:
                raise NothingCaptured("%s: its answer holds nothing for {{%s}} (line %d): %s" % (
                    request[0], name, line, told(status, body)))
            for entity, letter in ENTITIES.items() if is_html else ():
                value = value.replace(entity, letter)
            self.captured[name] = value


def in_json(body, path):
    """What lies there in a body of JSON, as a list of one text; empty where nothing does."""
    import json

    try:
        value = json.loads(body)
        for step in path:
            value = value[step]
    except (ValueError, LookupError, TypeError):
        return []
    if isinstance(value, str):
        return [value]
    return [] if value is None else [json.dumps(value)]
