import os
import sys

import wsgiaudit_guard

sys.path.insert(0, os.path.dirname(__file__))


def application(environ, start_response):
    if environ["PATH_INFO"]:
        import ways

        return ways.application(environ, start_response)
    try:
        __import__(environ["QUERY_STRING"])
        said = f"imported in {wsgiaudit_guard.mode}"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode("utf-8")]
