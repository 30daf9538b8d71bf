"""Runs pip for another Python, and records the HTTP status of each request to an index.

    base-python -I pip.py TARGET-PYTHON RECORD pip's arguments...

pip's own configuration and credentials apply. Its exit status does not distinguish an index without the project from
one that cannot be reached. So the statuses are recorded where pip's session receives them.
"""

import json
import logging
import os
import runpy
import sys
from html.parser import HTMLParser
from importlib.machinery import PathFinder
from urllib.parse import urlsplit, urlunsplit

FILES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".egg")


def main():
    first, *rest = sys.argv[1:]
    if first != "--pip-is-in":
        import pip

        folder = os.path.dirname(os.path.dirname(pip.__file__))
        os.execv(first, [first, "-I", __file__, "--pip-is-in", folder, *rest])
    folder, record, *rest = rest
    sys.meta_path.insert(0, Pip(folder))
    sys.argv[:] = ["pip", *rest]
    pages, failed, warned = record_requests()
    try:
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    finally:
        with open(record, "w") as file:
            json.dump({"pages": pages, "failed": failed, "warned": warned}, file)


class Pip:
    """A finder for pip alone, in the folder of another Python, as `pip --python` does it."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, [self.folder], target) if name == "pip" else None


def record_requests():
    from pip._vendor.requests import Session

    pages, failed, warned = [], [], []
    request, warning = Session.request, logging.Logger.warning

    def watched_request(self, method, url, *args, **kwargs):
        is_page = "vnd.pypi.simple" in str((kwargs.get("headers") or {}).get("Accept", ""))
        place = without_credentials(url)
        try:
            answer = request(self, method, url, *args, **kwargs)
        except BaseException as error:
            failed.append(f"{place}: {type(error).__name__}")
            raise
        if is_page:
            is_file = place.startswith("file:")
            count = count_files(answer)
            pages.append({"place": place, "status": answer.status_code, "is_file": is_file, "files": count})
        elif answer.status_code >= 400:
            failed.append(f"{place}: status {answer.status_code}")
        return answer

    def watched_warning(self, message, *args, **kwargs):
        # pip skips an index or a link with a warning.
        if self.name.startswith(("pip._internal.index", "pip._internal.resolution")):
            warned.append(str(message) % args if args else str(message))
        return warning(self, message, *args, **kwargs)

    Session.request, logging.Logger.warning = watched_request, watched_warning
    return pages, failed, warned


def count_files(answer):
    """Number of files that a project's page lists."""
    if answer.status_code != 200:
        return 0
    if "json" in answer.headers.get("Content-Type", ""):
        try:
            return len(answer.json()["files"])
        except (ValueError, LookupError, TypeError):
            return 0
    found = []

    class Page(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag == "a" and urlsplit(dict(attributes).get("href") or "").path.endswith(FILES):
                found.append(tag)

    Page().feed(answer.text)
    return len(found)


def without_credentials(url):
    parts = urlsplit(str(url))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


main()
