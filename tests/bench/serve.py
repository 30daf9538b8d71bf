"""Measures `wsgiaudit serve` beside other servers, in one run, with wrk.

    SERVERS/bin/python -I tests/bench/serve.py path/to/wsgiaudit MOD_WSGI.so COPIES_SITE [FREE_THREADED_PYTHON]

SERVERS is an environment with granian and gunicorn; mod_wsgi is built for its Python. COPIES_SITE is one with numpy and lxml.
Every server serves the same application: `/hello` answers at once; `/work` takes some 3 ms of Python and waits for 1 ms.
Each is measured for a few seconds in each of several rounds, one after the other, and its best counts: what else the
machine does comes and goes.
Compare what one run says; another machine, or another day, says something else.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS_EACH", "4"))
CONNECTIONS = 10

APPLICATION = """
import time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/work":
        number = 0
        for step in range({steps}):
            number += step
        time.sleep(0.001)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\\n"]
"""

# Some 3 ms of Python, numpy and lxml, of which numpy gives up the GIL for some.
COPIED = """
import lxml.etree
import numpy

def application(environ, start_response):
    if environ["PATH_INFO"] == "/work":
        matrix = numpy.arange(3600, dtype=float).reshape(60, 60)
        for _ in range(5):
            matrix = matrix @ matrix.T
            matrix /= numpy.linalg.norm(matrix)
        root = lxml.etree.Element("root")
        for number in range(200):
            lxml.etree.SubElement(root, "item", id=str(number)).text = str(number * number)
        found = lxml.etree.fromstring(lxml.etree.tostring(root)).xpath("//item[@id mod 7 = 0]")
        assert len(found) == 29
        total = 0
        for step in range({steps} // 3):
            total += step
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\\n"]
"""


def steps():
    """How many steps of a loop take 3 ms."""
    best = 1.0
    for _ in range(20):
        began, number = time.perf_counter(), 0
        for step in range(20_000):
            number += step
        best = min(best, time.perf_counter() - began)
    return round(20_000 * 0.003 / best)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server:
    """Processes that serve the same: one command line, or several beside each other."""

    connections = CONNECTIONS

    def __init__(self, folder, *commands):
        self.ports, self.processes = [], []
        for command in commands:
            port = free_port()
            words = [word.replace("PORT", str(port)) for word in command]
            log = open(folder / "log", "ab")
            self.processes.append(
                subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, start_new_session=True)
            )
            self.ports.append(port)
        for port in self.ports:
            self.wait(port, folder)

    def wait(self, port, folder):
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=5).read()
                return
            time.sleep(0.05)
        self.stop()
        sys.exit(f"no answer from {self.processes[0].args}:\n" + (folder / "log").read_text(errors="replace"))

    def urls(self, path):
        return [f"http://127.0.0.1:{port}{path}" for port in self.ports]

    def measure(self, path):
        """Requests a second, all its addresses asked at the same time."""
        urls = self.urls(path)
        each = self.connections // len(urls)
        clients = [
            subprocess.Popen(["wrk", "-t1", f"-c{each}", f"-d{SECONDS}s", url], stdout=subprocess.PIPE, text=True)
            for url in urls
        ]
        said = [client.communicate()[0] for client in clients]
        for text in said:
            if "Non-2xx" in text:
                sys.exit(f"{self.processes[0].args} does not answer every request:\n{text}")
        return sum(float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]) for text in said)

    def memory(self):
        """Proportional memory of all its processes, in MB (proc(5), smaps_rollup)."""
        total = 0
        for process in self.processes:
            for pid in tree(process.pid):
                with contextlib.suppress(OSError):
                    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                    total += int(re.search(r"Pss:\s+(\d+)", text)[1])
        return total / 1000

    def stop(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def tree(pid):
    yield pid
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from tree(int(child))


def apache(folder, module, groups, threads):
    """Folder and configuration of an Apache with as many own-GIL groups in one process; with none, the main
    interpreter."""
    here = folder / f"apache-{groups}-{threads}"
    here.mkdir(exist_ok=True)
    lines = [
        f"ServerRoot {here}", f"DefaultRuntimeDir {here}", f"PidFile {here}/pid", f"ErrorLog {here}/log",
        "ServerName localhost", "Listen 127.0.0.1:PORT", "Mutex pthread default", "KeepAlive On",
        "MaxKeepAliveRequests 0", "ThreadsPerChild 25", "StartServers 1",
    ]
    lines += [
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
        for name in ("mpm_event", "authz_core", "alias")
    ]
    lines += [
        f"LoadModule wsgi_module {module}", f"WSGIPythonHome {sys.prefix}", f"WSGISocketPrefix {here}/wsgi",
        f"<Directory {folder}>", "Require all granted", "</Directory>",
    ]
    if groups:
        lines += ["WSGIPerInterpreterGIL On", f"WSGIDaemonProcess site threads={groups * threads} home={folder}"]
        lines += [
            f"WSGIScriptAlias /{number} {folder}/site.py process-group=site application-group=group{number}"
            for number in range(groups)
        ]
    else:
        lines += [f"WSGIDaemonProcess site threads={threads} home={folder}"]
    lines += [
        f"WSGIScriptAlias / {folder}/site.py process-group=site "
        f"application-group={'group0' if groups else '%{GLOBAL}'}"
    ]
    return here, "\n".join(lines) + "\n"


class Apache(Server):
    """Own-GIL groups are asked at the same time, each under its prefix."""

    def __init__(self, folder, module, groups, threads, connections=CONNECTIONS):
        here, config = apache(folder, module, groups, threads)
        self.groups, self.connections, port = max(groups, 1), connections, free_port()
        (here / "conf").write_text(config.replace("PORT", str(port)))
        command = ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(here / "conf")]
        if os.geteuid() == 0:
            command = ["unshare", "--user", *command]
        self.ports = [port]
        self.processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)]
        self.wait(port, here)

    def urls(self, path):
        if self.groups == 1:
            return super().urls(path)
        return [f"http://127.0.0.1:{self.ports[0]}/{number}{path}" for number in range(self.groups)]


def table(title, rows):
    print(f"\n{title}")
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [str(cell).ljust(width) if at == 0 else str(cell).rjust(width)
                 for at, (cell, width) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells))
    sys.stdout.flush()


def best(servers, path):
    """The best of several rounds of each, and its memory under load."""
    found = {name: (0.0, 0.0) for name in servers}
    for _ in range(ROUNDS):
        for name, start in servers.items():
            server = start()
            try:
                rate = server.measure(path)
                found[name] = max(found[name], (rate, server.memory()))
            finally:
                server.stop()
    return found


def main(wsgiaudit, module, copies_site, free_threaded):
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        (folder / "site.py").write_text(APPLICATION.format(steps=steps()))
        # `site` is a module of the standard library already.
        (folder / "benched.py").write_text((folder / "site.py").read_text())

        def ours(*arguments, python=sys.prefix):
            return [wsgiaudit, "serve", "-e", python, "--bind", "127.0.0.1:PORT", *arguments, "benched"]

        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.bind(str(folder / "telemetry.sock"))
        gunicorn = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:PORT"]
        granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "PORT",
                   "--no-ws", "--log-level", "warning"]
        hello = best({
            "wsgiaudit, 1 thread": lambda: Server(folder, ours()),
            # Received by nobody who reads: until the queue of the socket is full, and then dropped.
            "wsgiaudit, 1 thread, telemetry": lambda: Server(folder, ours(
                "--telemetry", f"unix:{receiver.getsockname()}", "--slow-requests", "1")),
            "wsgiaudit, 2 own-GIL interpreters": lambda: Server(folder, ours("--interpreters", "2")),
            "granian, 1 worker": lambda: Server(folder, [*granian, "benched:application"]),
            "granian, 2 workers": lambda: Server(folder, [*granian, "--workers", "2", "benched:application"]),
            "gunicorn, 2 workers x 2 threads":
                lambda: Server(folder, [*gunicorn, "--workers", "2", "--threads", "2", "benched:application"]),
            "mod_wsgi, main x 2 threads": lambda: Apache(folder, module, 0, 2),
        }, "/hello")
        print(f"{os.cpu_count()} processors, {ROUNDS} rounds of {SECONDS} s, the best of each")
        base = hello["granian, 1 worker"][0]
        table(f"hello: requests/s, {CONNECTIONS} connections", [
            ("", "requests/s", "of granian, 1 worker"),
            *((name, f"{rate:,.0f}", f"{rate / base:.2f}") for name, (rate, _) in hello.items()),
        ])
        one = ours("--threads", "2")
        work = best({
            "wsgiaudit, 2 own-GIL interpreters x 2 threads":
                lambda: Server(folder, ours("--interpreters", "2", "--threads", "2")),
            "wsgiaudit, 2 processes x 2 threads": lambda: Server(folder, one, one),
            "wsgiaudit, 1 interpreter x 4 threads": lambda: Server(folder, ours("--threads", "4")),
            **({"wsgiaudit, free-threaded x 4 threads": lambda: Server(
                folder, ours("--mode", "free-threaded", "--threads", "4", python=free_threaded))}
               if free_threaded else {}),
            "mod_wsgi, 2 own-GIL groups, 4 threads": lambda: Apache(folder, module, 2, 2),
            # Its groups share the threads: no more requests than those does it good.
            "mod_wsgi, the same, 4 connections": lambda: Apache(folder, module, 2, 2, connections=4),
            "mod_wsgi, main x 4 threads": lambda: Apache(folder, module, 0, 4),
            "granian, 2 workers": lambda: Server(folder, [*granian, "--workers", "2", "benched:application"]),
            "gunicorn, 2 workers x 2 threads":
                lambda: Server(folder, [*gunicorn, "--workers", "2", "--threads", "2", "benched:application"]),
        }, "/work")
        base, _ = work["wsgiaudit, 2 processes x 2 threads"]
        table(f"work (3 ms of Python, 1 ms of waiting): {CONNECTIONS} connections", [
            ("", "requests/s", "of 2 processes", "memory, MB"),
            *((name, f"{rate:,.0f}", f"{rate / base:.2f}", f"{memory:.0f}")
              for name, (rate, memory) in work.items()),
        ])
        switch_intervals(folder, ours, free_threaded)
        private_copies(folder, wsgiaudit, copies_site)
        own, one = (work[f"wsgiaudit, {name}"][0] for name in (
            "2 own-GIL interpreters x 2 threads", "1 interpreter x 4 threads"))
        promised("2 own-GIL interpreters do as much as 2 processes", own / base, 0.95)
        promised("and more than 1 interpreter with as many threads", own / one, 1.7)
        with_telemetry = hello["wsgiaudit, 1 thread, telemetry"][0] / hello["wsgiaudit, 1 thread"][0]
        promised("hello: telemetry costs no more than 2 %", with_telemetry, 0.98)
        promised("hello: as much as granian", hello["wsgiaudit, 1 thread"][0] / hello["granian, 1 worker"][0], 1.0)


def promised(what, ratio, wanted):
    print(f"{'as promised' if ratio >= wanted else 'MISSED'}: {what}: {ratio:.2f}, at least {wanted}")


def private_copies(folder, wsgiaudit, environment):
    """Own GILs with private copies beside processes and one GIL, for work that numpy and lxml do."""
    (folder / "copied.py").write_text(COPIED.format(steps=steps()))

    def start(*arguments):
        command = [wsgiaudit, "serve", "-e", environment, "--bind", "127.0.0.1:PORT", *arguments, "copied"]
        return lambda: Server(folder, command)

    found = best({
        "2 own GILs with copies x 2 threads": start("--copies", "--interpreters", "2", "--threads", "2"),
        "3 own GILs with copies x 2 threads": start("--copies", "--interpreters", "3", "--threads", "2"),
        "2 processes x 2 threads": start("--mode", "main", "--processes", "2", "--threads", "2"),
        "3 processes x 2 threads": start("--mode", "main", "--processes", "3", "--threads", "2"),
        "1 GIL x 4 threads": start("--mode", "main", "--threads", "4"),
    }, "/work")
    base = found["2 processes x 2 threads"][0]
    table(f"numpy, lxml and Python with private copies: {CONNECTIONS} connections", [
        ("", "requests/s", "of 2 processes", "memory, MB"),
        *((name, f"{rate:,.0f}", f"{rate / base:.2f}", f"{memory:.0f}") for name, (rate, memory) in found.items()),
    ])
    (two, two_memory), (_, three_memory), (_, two_processes), (_, three_processes), (one, _) = found.values()
    promised("2 own GILs with private copies do as much as 2 processes", two / base, 0.95)
    promised("and more than 1 GIL with as many threads", two / one, 1.8)
    further = (three_memory - two_memory) / (three_processes - two_processes)
    print(f"{'as promised' if further <= 0.75 else 'MISSED'}: memory of a further interpreter with private copies, of a further "
          f"process's: {further:.2f}, at most 0.75")


GROUP = '[[group]]\nname = "site"\nmode = "{mode}"\ninterpreters = {interpreters}\nthreads = {threads}\n'


def switch_intervals(folder, ours, free_threaded):
    """What the telemetry says of a GIL that is shared, given up sooner, doubled, and not there."""
    rows = [("", "requests/min", "response", "application", "GIL wait p50", "p95", "p99")]
    for name, mode, interpreters, threads, interval in (
        ("1 GIL x 4 threads, 5 ms", "own-gil", 1, 4, 0.005),
        ("1 GIL x 4 threads, 2 ms", "own-gil", 1, 4, 0.002),
        ("1 GIL x 4 threads, 0.1 ms", "own-gil", 1, 4, 0.0001),
        ("2 own GILs x 2 threads, 5 ms", "own-gil", 2, 2, 0.005),
        *([("no GIL x 4 threads", "free-threaded", 1, 4, None)] if free_threaded else []),
    ):
        text = GROUP.format(mode=mode, interpreters=interpreters, threads=threads)
        (folder / "serve.toml").write_text(text + (f"switch-interval = {interval}\n" if interval else ""))
        python = free_threaded if mode == "free-threaded" else sys.prefix
        metrics = free_port()
        server = Server(
            folder, ours("--config", "serve.toml", "--metrics", f"127.0.0.1:{metrics}", python=python)
        )
        try:
            rate = server.measure("/work")
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics.json") as answer:
                group, = json.load(answer)["groups"]
        finally:
            server.stop()
        mean = lambda name: f"{1e3 * group[name]['sum'] / max(group[name]['count'], 1):.1f}"
        waits = [f"{1e3 * (group['gil_wait'][p] or 0):.1f}" for p in ("p50", "p95", "p99")]
        rows.append((name, f"{60 * rate:,.0f}", mean("response_time"), mean("application_time"), *waits))
    table("switch intervals, by wsgiaudit's own telemetry: means and percentiles in ms", rows)
    (usual, *_, before), (short, *_, after) = ((float(row[1].replace(",", "")), *row[2:]) for row in (rows[1], rows[3]))
    print(f"  Giving up the GIL fifty times sooner did {short / usual:.2f} of the requests here; its wait's p99 went from "
          f"{before} to {after} ms.\n  mod_wsgi's documentation tells of three times the requests: measure your own.")


main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else None)
