"""Imports the names that the query string holds, in their order, and tells what came of it, a line a fact.

It imports nothing but builtin modules: what else is loaded is the subject's doing."""

import _imp, sys

failed = []


def watched(function, name):
    def watch(subject, *more):
        try:
            return function(subject, *more)
        except BaseException as error:
            failed.append(f"{name(subject)}\t{type(error).__name__}\t{line(error)}")
            raise

    return watch


def line(error):
    return str(error).replace("\n", " ").replace("\t", " ")


_imp.create_dynamic = watched(_imp.create_dynamic, lambda spec: spec.name)
_imp.exec_dynamic = watched(_imp.exec_dynamic, lambda module: module.__name__)


def application(environ, start_response):
    said = []
    try:
        for name in environ["QUERY_STRING"].split("+"):
            __import__(name)
        said.append("imported")
    except BaseException as error:
        said.append(f"raised\t{type(error).__name__}\t{line(error)}")
    said += [f"failed\t{load}" for load in failed]
    suffix = ".so"
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(suffix):
            said.append(f"loaded\t{name}")
    said.append(f"group\t{environ['mod_wsgi.application_group']}")
    said.append(f"gil\t{getattr(sys, '_is_gil_enabled', lambda: True)()}")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\n".join(said).encode("utf-8", "backslashreplace")]
