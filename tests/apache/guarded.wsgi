import wsgiaudit_guard


def application(environ, start_response):
    try:
        __import__(environ["QUERY_STRING"])
        said = f"imported in {wsgiaudit_guard.mode}"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode("utf-8")]
