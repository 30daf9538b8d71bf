"""Tells where it runs, a line a fact."""

import _interpreters, sys

SCRIPT = __file__


def application(environ, start_response):
    this = _interpreters.get_current()[0]
    said = {
        "script": SCRIPT.rpartition("/")[2],
        "process_group": environ["mod_wsgi.process_group"],
        "application_group": environ["mod_wsgi.application_group"],
        "is_main": this == 0,
        "gil": _interpreters.get_config(this).gil if this else "shared",
        "is_gil_enabled": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "switch_interval": sys.getswitchinterval(),
    }
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\n".join(f"{name}\t{value}" for name, value in said.items()).encode()]
