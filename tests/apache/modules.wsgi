"""Tells which modules its interpreter had imported when it was loaded, a line each."""

import sys

there = "\n".join(sorted(sys.modules)).encode()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(there)))])
    return [there]
