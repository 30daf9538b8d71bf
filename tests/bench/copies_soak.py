"""Serves a Django site from four interpreters with private copies, and checks each of its answers.

    ENVIRONMENT/bin/python -I tests/bench/copies_soak.py path/to/wsgiaudit PATH/TO/POSTGRESQL/bin [REQUESTS]

ENVIRONMENT has Django, numpy, pandas, lxml, Pillow and psycopg2 (corpus/environments/copies-site.txt). The script audits it with
`--copies`, starts a PostgreSQL of its own, and hosts the site with only what the report calls ready. Clients ask for all kinds
of work at the same time, compare each answer with their own calculation, and reload the site twice. The exit status is 0 if
each answer was right, memory stayed flat between reloads, and the server ended with status 0.
"""

import concurrent.futures
import http.client
import io
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

CLIENTS = 8
INTERPRETERS = 4
# Resident memory may grow by this between a third and the end of the requests of one process.
GROWTH = 32 << 20

SITE = '''
import hashlib, io
import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="soak", DEBUG=False,
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres",
                          "HOST": "SOCKET", "CONN_MAX_AGE": 60}},
)
django.setup()

import lxml.etree
import numpy
import pandas
from PIL import Image
from django.db import connection
from django.http import HttpResponse
from django.template import engines
from django.urls import path
from django.core.wsgi import get_wsgi_application

TEMPLATE = engines["django"].from_string("{% for n in numbers %}{{ n }},{% endfor %}")


WORK


def database(n):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO soak (number, text) VALUES (%s, %s) RETURNING number * 2, upper(text)", [n, f"row {n}"])
        double, text = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM soak WHERE number = %s", [n])
        return f"{double} {text} {cursor.fetchone()[0]}"


def template(n):
    return TEMPLATE.render({"numbers": range(n % 50)})


def answer(request, kind, n):
    return HttpResponse(str(KINDS[kind](n)), content_type="text/plain")


KINDS["database"], KINDS["template"] = database, template
urlpatterns = [path("<str:kind>/<int:n>", answer)]
application = get_wsgi_application()
'''

# What the site and the clients both calculate.
WORK = '''
def array(n):
    matrix = numpy.arange(1 + n % 97, 1 + n % 97 + 400, dtype=float).reshape(20, 20)
    product = matrix @ matrix.T
    return f"{product.trace():.1f} {numpy.linalg.norm(numpy.fft.fft(product[0])):.3f} {numpy.sort(product, axis=None)[n % 400]:.1f}"


def frame(n):
    table = pandas.DataFrame({"key": [(i * n) % 7 for i in range(200)], "value": range(n % 100, n % 100 + 200)})
    grouped = table.groupby("key")["value"].agg(["sum", "mean"]).reset_index()
    return grouped.to_csv(index=False, float_format="%.3f")


def document(n):
    root = lxml.etree.Element("root", number=str(n))
    for i in range(50):
        lxml.etree.SubElement(root, "item", id=str(i)).text = str(i * n)
    again = lxml.etree.fromstring(lxml.etree.tostring(root))
    return ",".join(again.xpath("//item[@id mod 5 = 0]/text()"))


def image(n):
    picture = Image.new("RGB", (64, 48), (n % 256, (n * 3) % 256, (n * 7) % 256)).resize((32, 24)).rotate(90, expand=True)
    written = io.BytesIO()
    picture.save(written, "PNG")
    read = Image.open(io.BytesIO(written.getvalue()))
    return f"{read.size} {read.getpixel((n % 24, n % 32))} {hashlib.sha256(read.tobytes()).hexdigest()}"


KINDS = {"array": array, "frame": frame, "document": document, "image": image}
'''


class Database:
    """A PostgreSQL of its own in a folder, reached by a socket only."""

    def __init__(self, programs, folder):
        self.programs, self.data = programs, folder / "data"
        # PostgreSQL refuses to run as root (initdb.c, postgres.c: "cannot be run as root").
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(folder, self.user)
        self.run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", self.data)
        self.process = subprocess.Popen(
            [programs / "postgres", "-D", self.data, "-k", folder, "-h", "", "-c", "fsync=off", "-c", "max_connections=100"],
            user=self.user, stdout=subprocess.DEVNULL, stderr=open(folder / "log", "ab"), cwd=folder,
        )
        for _ in range(100):
            if subprocess.run([programs / "pg_isready", "-h", folder], stdout=subprocess.DEVNULL, cwd=folder).returncode == 0:
                break
            time.sleep(0.1)
        self.run("psql", "-h", folder, "-U", "postgres", "-c", "CREATE TABLE soak (number bigint, text text)",
                 "-c", "CREATE INDEX ON soak (number)")

    def run(self, program, *arguments):
        subprocess.run([self.programs / program, *arguments], user=self.user, check=True, stdout=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL, cwd="/")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def load_work():
    import hashlib

    import lxml.etree
    import numpy
    import pandas
    from PIL import Image

    names = {"hashlib": hashlib, "io": io, "lxml": lxml, "numpy": numpy, "pandas": pandas, "Image": Image}
    exec(WORK, names)
    return names["KINDS"]


def expect(kinds, kind, n):
    if kind == "database":
        return f"{2 * n} ROW {n} 1"
    if kind == "template":
        return "".join(f"{i}," for i in range(n % 50))
    return str(kinds[kind](n))


class Progress:
    """Counts answers, and calls the steps that are due at a share of them."""

    def __init__(self, total, steps):
        self.total, self.steps, self.count, self.wrong, self.lock = total, dict(steps), 0, [], threading.Lock()

    def add(self, wrong):
        with self.lock:
            self.count += 1
            if wrong:
                self.wrong.append(wrong)
            step = self.steps.pop(self.count, None)
        if step:
            step()


def ask(port, numbers, kinds, expected, progress):
    """Asks for one kind after the other on one connection, which is opened again after a reload closed it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    names = list(kinds)
    for n in numbers:
        kind = names[n % len(names)]
        # The numbers of the database are never used twice; other work repeats, so that clients calculate it once.
        number = n if kind == "database" else n % 1000
        try:
            connection.request("GET", f"/{kind}/{number}")
            answer = connection.getresponse()
            body, status = answer.read().decode(), answer.status
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            body, status = repr(error), 0
        wanted = expected(kind, number)
        progress.add(None if (status, body) == (200, wanted) else f"/{kind}/{number}: {status} {body[:200]!r}")


def resident(metrics):
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics.json") as answer:
        return int(json.load(answer)["process"]["resident_memory_bytes"])


def audit(program, folder):
    report = folder / "audit.json"
    finished = subprocess.run([program, sys.prefix, "--copies", "--json", report], stdout=subprocess.DEVNULL)
    if finished.returncode not in (0, 1):
        sys.exit(f"the audit ended with status {finished.returncode}")
    return report


def main(program, programs, requests):
    kinds = load_work()
    cache, cache_lock = {}, threading.Lock()

    def expected(kind, number):
        if kind == "database":
            return expect(kinds, kind, number)
        with cache_lock:
            if (kind, number) not in cache:
                cache[kind, number] = expect(kinds, kind, number)
            return cache[kind, number]

    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        (folder / "database").mkdir()
        (folder / "site").mkdir()
        report = audit(program, folder)
        database = Database(programs, folder / "database")
        (folder / "site" / "soaked.py").write_text(SITE.replace("SOCKET", str(folder / "database")).replace("WORK", WORK))
        port, metrics = free_port(), free_port()
        log = open(folder / "log", "ab")
        server = subprocess.Popen(
            [program, "serve", "-e", sys.prefix, "--report", report, "--copies", "--interpreters", str(INTERPRETERS),
             "--threads", "2", "--bind", f"127.0.0.1:{port}", "--metrics", f"127.0.0.1:{metrics}", "soaked"],
            cwd=folder / "site", stdout=log, stderr=log,
        )
        try:
            passed = drive(server, port, metrics, kinds, expected, requests)
        finally:
            server.send_signal(signal.SIGTERM)
            status = server.wait(60)
            database.stop()
        print(f"exit status after SIGTERM: {status}")
        if not passed or status:
            print((folder / "log").read_text(errors="replace")[-4000:])
        return passed and status == 0


def drive(server, port, metrics, kinds, expected, requests):
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/template/1", timeout=60).read()
            break
        except OSError:
            if server.poll() is not None:
                print("the server ended before its first answer")
                return False
            time.sleep(0.1)
    memory = {}
    note = lambda name: lambda: memory.update({name: resident(metrics)})
    reload = lambda: server.send_signal(signal.SIGHUP)
    progress = Progress(requests, {
        requests // 20: reload,
        requests // 10: reload,
        requests * 4 // 10: note("at 40 %"),
        requests * 7 // 10: note("at 70 %"),
        requests: note("at the end"),
    })
    every = {**kinds, "database": None, "template": None}
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        clients = [
            pool.submit(ask, port, range(client, requests, CLIENTS), every, expected, progress) for client in range(CLIENTS)
        ]
        for client in clients:
            client.result()
    took = time.monotonic() - began
    print(f"{progress.count:,} requests to {INTERPRETERS} interpreters with private copies in {took:.0f} s, two reloads: "
          f"{len(progress.wrong)} wrong or lost")
    for wrong in progress.wrong[:10]:
        print(" ", wrong)
    print("resident memory: " + ", ".join(f"{value >> 20} MB {name}" for name, value in memory.items()))
    flat = len(memory) == 3 and memory["at the end"] - memory["at 40 %"] < GROWTH
    if not flat:
        print(f"memory grew by more than {GROWTH >> 20} MB between 40 % of the requests and the end")
    return progress.count == requests and not progress.wrong and flat


if __name__ == "__main__":
    total = int(sys.argv[3]) if len(sys.argv) > 3 else 200_000
    sys.exit(0 if main(os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]), total) else 1)
