# One round of requests: its cookies, kept as a browser does (RFC 6265), and the values that are captured from a reply for a
# later request. Each round in each interpreter starts without any.
import os
import re
import time
import urllib.parse


class NothingCaptured(Exception):
    pass


class CookieJar:
    def __init__(self):
        self.cookies = {}  # (host, path, name) -> (value, whether for https only, whether for subdomains)

    def store(self, line, scheme, host, path):
        """Store the cookie of a Set-Cookie header, or delete it."""
        first, *rest = line.split(";")
        name, equals, value = (part.strip() for part in first.partition("="))
        attributes = {}
        for each in rest:
            key, _, what = each.partition("=")
            attributes[key.strip().lower()] = what.strip()
        domain = attributes.get("domain", "").lstrip(".").lower()
        is_foreign = domain and host != domain and not host.endswith("." + domain)
        is_secure = "secure" in attributes
        if not equals or not name or is_foreign or is_secure and scheme != "https":
            return
        cookie_path = attributes.get("path", "")
        if not cookie_path.startswith("/"):
            cookie_path = path[:path.rfind("/")] or "/"
        key = (domain or host, cookie_path, name)
        if is_expired(attributes):
            self.cookies.pop(key, None)
        else:
            self.cookies[key] = (value, is_secure, bool(domain))

    def cookies_for(self, scheme, host, path):
        """Return name and value of each cookie of a request, those with the longest path first."""
        found = []
        for (domain, cookie_path, name), (value, is_secure, has_subdomains) in self.cookies.items():
            is_here = host == domain or has_subdomains and host.endswith("." + domain)
            is_below = path == cookie_path or path.startswith(
                cookie_path if cookie_path.endswith("/") else cookie_path + "/")
            if is_here and is_below and (scheme == "https" or not is_secure):
                found.append((cookie_path, name, value))
        found.sort(key=lambda cookie: -len(cookie[0]))
        return [(name, value) for _, name, value in found]


MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


def is_expired(attributes):
    """Whether a cookie with these attributes has expired, and so is deleted."""
    if re.fullmatch("-?[0-9]+", attributes.get("max-age", "")):
        return int(attributes["max-age"]) <= 0
    date = re.search("([0-9]{1,2})[ -]([a-zA-Z]{3})[a-zA-Z]*[ -]([0-9]{2,4})", attributes.get("expires", ""))
    if date is None or date[2].lower() not in MONTHS:
        return False
    year = int(date[3])
    year += 0 if year > 99 else 2000 if year < 70 else 1900
    now = time.gmtime()
    return (year, MONTHS.index(date[2].lower()) + 1, int(date[1])) < (now.tm_year, now.tm_mon, now.tm_mday)


ENTITIES = {"&quot;": '"', "&#34;": '"', "&#x27;": "'", "&#39;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}


class Round:
    def __init__(self):
        self.jar, self.captured, self.replies = CookieJar(), {}, {}

    def send(self, application, request):
        """Send a request, store its cookies, and return status and body."""
        _, method, scheme, target, headers, body, has_cookies, _ = request
        target = self.fill_in(target)
        sent_headers = {}
        if target.startswith(("http://", "https://")):
            scheme, _, target = target.partition("://")
            sent_headers["Host"], slash, path = target.partition("/")
            target = slash + path or "/"
        sent_headers.update((name, self.fill_in(value)) for name, value in headers)
        names = {name.lower(): name for name in sent_headers}
        sent_headers.setdefault(names.get("host", "Host"), "localhost")
        host = sent_headers[names.get("host", "Host")].rsplit(":", 1)[0].lower()
        path = target.partition("?")[0]
        if has_cookies:
            own = sent_headers.pop(names.get("cookie", "Cookie"), "")
            typed = {part.partition("=")[0].strip() for part in own.split(";")}
            cookies = self.jar.cookies_for(scheme, host, path)
            stored = ["%s=%s" % cookie for cookie in cookies if cookie[0] not in typed]
            if own or stored:
                sent_headers["Cookie"] = "; ".join([own] * bool(own) + stored)
        kind = sent_headers.get(names.get("content-type", ""), "")
        content = b"".join(self.body_part(part, "urlencoded" in kind.lower()) for part in body)
        environ = environ_of(method, scheme, target, sent_headers, content)
        status, reply_headers, reply_body = call_application(application, environ)
        self.last = (status, reply_headers, reply_body)
        for name, value in reply_headers:
            if has_cookies and name.lower() == "set-cookie":
                self.jar.store(value, scheme, host, path)
        return status, reply_body

    def body_part(self, part, is_form):
        """Return a part of a body: a text, or the content of a file in this folder."""
        kind, what = part
        if kind == "file":
            with open(os.path.join(os.path.dirname(__file__), what), "rb") as file:
                return file.read()
        return self.fill_in(what, is_form).encode()

    def fill_in(self, pieces, is_form=False):
        """Return a text with its values filled in. They are percent-encoded in the body of a form."""
        texts = []
        for piece in pieces:
            if isinstance(piece, str):
                texts.append(piece)
            else:
                value = self.resolve(*piece)
                texts.append(urllib.parse.quote(value, safe="") if is_form else value)
        return "".join(texts)

    def resolve(self, kind, typed, *where):
        if kind == "variable":
            return os.environ[where[0]]
        if kind == "captured":
            if where[0] not in self.captured:
                raise NothingCaptured("{{%s}} has no value: its request was not answered" % typed)
            return self.captured[where[0]]
        index, what = where
        if index not in self.replies:
            raise NothingCaptured("{{%s}} has no value: its request was not answered" % typed)
        status, headers, body = self.replies[index]
        if kind == "header":
            found = [value for name, value in headers if name.lower() == what.lower()]
        else:
            found = find_in_json(body, what) if what is not None else [body.decode("utf-8", "replace")]
        if not found:
            raise NothingCaptured("{{%s}} has no value: the answer (%s) does not hold it" % (typed, status))
        return found[0]

    def capture(self, index, request):
        """Capture the values of the last reply that later requests need."""
        status, headers, body = self.last
        if index in NEEDED:
            self.replies[index] = self.last
        is_html = any(name.lower() == "content-type" and "html" in value.lower() for name, value in headers)
        for name, pattern, line in request[-1]:
            try:
                found = re.search(pattern, body.decode("utf-8", "replace"))
            except re.error as error:
                raise NothingCaptured("line %d: not a regular expression for Python: %s" % (line, error)) from None
            value = found and (found[1] if found.re.groups else found[0])
            if value is None:
                raise NothingCaptured("%s: its answer holds nothing for {{%s}} (line %d): %s" % (
                    request[0], name, line, describe_reply(status, body)))
            for entity, letter in ENTITIES.items() if is_html else ():
                value = value.replace(entity, letter)
            self.captured[name] = value


def find_in_json(body, path):
    """Return the value at a path in a JSON body as a list with one text, or an empty list if there is none."""
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
