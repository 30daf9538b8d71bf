"""Tells where it runs, and which of its callables is asked: a line a fact."""

import _interpreters, sys

SCRIPT = __file__


def told(callable, environ, start_response):
    this = _interpreters.get_current()[0]
    said = {
        "script": SCRIPT,
        "callable": callable,
        "process_group": environ["mod_wsgi.process_group"],
        "application_group": environ["mod_wsgi.application_group"],
        "is_main": this == 0,
        "gil": _interpreters.get_config(this).gil if this else "shared",
        "is_gil_enabled": getattr(sys, "_is_gil_enabled", lambda: True)(),
    }
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\n".join(f"{name}\t{value}" for name, value in said.items()).encode()]


def application(environ, start_response):
    return told("application", environ, start_response)


def other(environ, start_response):
    return told("other", environ, start_response)


def third(environ, start_response):
    return told("third", environ, start_response)


def handle_request(environ, start_response):
    return told("handle_request", environ, start_response)
