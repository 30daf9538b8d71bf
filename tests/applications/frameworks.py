"""What tests/frameworks.rs serves: the same small site in each of five frameworks, wsgiref.validate around each.

/FRAMEWORK/note?text=...  writes a row into SQLite and answers how many there are
/FRAMEWORK/count          counts in a session (a cookie)
/FRAMEWORK/upload         POST of a form with a file: answers its length and name
/FRAMEWORK/stream         streams ten lines
"""
import os
import sqlite3
from wsgiref.validate import validator

DATABASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "site.db")


def note(framework, text):
    connection = sqlite3.connect(DATABASE, timeout=30)
    try:
        with connection:
            connection.execute("create table if not exists notes (framework text, text text)")
            connection.execute("insert into notes values (?, ?)", (framework, text))
        return str(connection.execute("select count(*) from notes where framework = ?", (framework,)).fetchone()[0])
    finally:
        connection.close()


def lines():
    return (b"line %d\n" % number for number in range(10))


def make_flask():
    from flask import Flask, Response, request, session

    app = Flask("site_flask")
    app.secret_key = "for a test"

    @app.get("/note")
    def _note():
        return note("flask", request.args["text"])

    @app.get("/count")
    def _count():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.post("/upload")
    def _upload():
        file = request.files["file"]
        return f"{len(file.read())} {file.filename}"

    @app.get("/stream")
    def _stream():
        return Response(lines(), mimetype="text/plain")

    return app


def make_django():
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    def count(request):
        number = request.session["count"] = request.session.get("count", 0) + 1
        return HttpResponse(str(number))

    def upload(request):
        file = request.FILES["file"]
        return HttpResponse(f"{len(file.read())} {file.name}")

    settings.configure(
        SECRET_KEY="for a test",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=tuple(
            [
                path("note", lambda request: HttpResponse(note("django", request.GET["text"]))),
                path("count", count),
                path("upload", upload),
                path("stream", lambda request: StreamingHttpResponse(lines())),
            ]
        ),
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
    return get_wsgi_application()


def make_bottle():
    import bottle

    app = bottle.Bottle()

    @app.get("/note")
    def _note():
        return note("bottle", bottle.request.query.text)

    @app.get("/count")
    def _count():
        number = int(bottle.request.get_cookie("count", secret="for a test") or 0) + 1
        bottle.response.set_cookie("count", str(number), secret="for a test")
        return str(number)

    @app.post("/upload")
    def _upload():
        file = bottle.request.files.get("file")
        return f"{len(file.file.read())} {file.filename}"

    @app.get("/stream")
    def _stream():
        bottle.response.content_type = "text/plain"
        yield from lines()

    return app


def make_falcon():
    import falcon

    class Note:
        def on_get(self, request, response):
            response.text = note("falcon", request.get_param("text"))

    class Count:
        def on_get(self, request, response):
            number = int(request.cookies.get("count", 0)) + 1
            response.set_cookie("count", str(number), secure=False)
            response.text = str(number)

    class Upload:
        def on_post(self, request, response):
            for part in request.get_media():
                response.text = f"{len(part.stream.read())} {part.filename}"

    class Stream:
        def on_get(self, request, response):
            response.content_type = "text/plain"
            response.stream = lines()

    app = falcon.App()
    for path, resource in (("/note", Note()), ("/count", Count()), ("/upload", Upload()), ("/stream", Stream())):
        app.add_route(path, resource)
    return app


def make_pyramid():
    from pyramid.config import Configurator
    from pyramid.response import Response
    from pyramid.session import SignedCookieSessionFactory

    def count(request):
        number = request.session["count"] = request.session.get("count", 0) + 1
        return Response(str(number))

    def upload(request):
        file = request.POST["file"]
        return Response(f"{len(file.file.read())} {file.filename}")

    views = {
        "note": lambda request: Response(note("pyramid", request.params["text"])),
        "count": count,
        "upload": upload,
        "stream": lambda request: Response(app_iter=lines(), content_type="text/plain"),
    }
    with Configurator(session_factory=SignedCookieSessionFactory("for a test")) as config:
        for name, view in views.items():
            config.add_route(name, f"/{name}")
            config.add_view(view, route_name=name)
        return config.make_wsgi_app()


SITES = {
    name: validator(make())
    for name, make in (
        ("flask", make_flask),
        ("django", make_django),
        ("bottle", make_bottle),
        ("falcon", make_falcon),
        ("pyramid", make_pyramid),
    )
}


def application(environ, start_response):
    _, name, rest = environ["PATH_INFO"].split("/", 2)
    environ["SCRIPT_NAME"] += f"/{name}"
    environ["PATH_INFO"] = f"/{rest}"
    return SITES[name](environ, start_response)
