"""Compares what `wsgiaudit tune` recommends with the best of an exhaustive search, for six kinds of applications.

    PYTHON -I tests/bench/tune.py path/to/wsgiaudit ENVIRONMENT

ENVIRONMENT is a virtualenv with numpy. The exhaustive search measures every number of processes, of interpreters with an own
GIL (where the audit allows it) and of threads with wrk, in alternating rounds, and compares medians. What counts is the share
of the best configuration's throughput that the recommended one has, and how many configurations each way has measured.
ROUNDS, SECONDS_EACH and WORKLOADS (names, separated by commas) set other bounds.
"""

import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "4"))
SECONDS = float(os.environ.get("SECONDS_EACH", "1.5"))
THREADS = (1, 2, 4, 8)

HEAD = "def application(environ, start_response):\n"
TAIL = """
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\\n"]
"""
LOOP = "    number = 0\n    for step in range({}):\n        number += step\n"
WORKLOADS = {
    "computes": HEAD + LOOP.format(40_000) + TAIL,
    "waits": "import time\n\n" + HEAD + "    time.sleep(0.01)\n" + TAIL,
    "both": "import time\n\n" + HEAD + LOOP.format(15_000) + "    time.sleep(0.003)\n" + TAIL,
    # `sorted` is C code that keeps the GIL.
    "C with the GIL": "DATA = [(7919 * n) % 10007 for n in range(10007)]\n\n" + HEAD + "    sorted(DATA)\n" + TAIL,
    "memory": HEAD + "    block = bytearray(8 << 20)\n    copy = bytes(block)\n    number = len(copy)\n" + TAIL,
    # Multiplication of matrices gives up the GIL.
    "numpy": "import os\nos.environ['OPENBLAS_NUM_THREADS'] = '1'\nimport numpy\n\nA = numpy.ones((160, 160))\n\n"
    + HEAD + "    number = float((A @ A).sum())\n" + TAIL,
}


class Server:
    def __init__(self, wsgiaudit, environment, folder, options):
        self.socket = None
        command = [wsgiaudit, "serve", "-e", environment, "--bind", "127.0.0.1:0", "--drain", "1", *options, "shop:application"]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"serving .* on (http://\S+?)[ ,]", line):
                self.url = found[1]
                return
        sys.exit(f"no server with {options}")

    def measure(self, threads):
        command = ["wrk", "-t1", f"-c{2 * threads + 2}", f"-d{max(1, round(SECONDS))}s", self.url + "/"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()


def shapes(cores, modes):
    for processes in sorted({1, cores}):
        for threads in THREADS:
            yield ("main", processes, 1, threads)
    if "own-gil" in modes and cores > 1:
        for threads in THREADS:
            yield ("own-gil", 1, cores, threads)


def measure_all(wsgiaudit, environment, folder, modes):
    """Medians of requests a second, by shape."""
    found = {shape: [] for shape in shapes(os.cpu_count(), modes)}
    for number in range(ROUNDS):
        for shape in list(found)[:: 1 if number % 2 else -1]:
            mode, processes, interpreters, threads = shape
            options = ["--mode", mode, "--threads", str(threads), "--processes", str(processes)]
            options += ["--interpreters", str(interpreters)] if interpreters > 1 else []
            server = Server(wsgiaudit, environment, folder, options)
            try:
                found[shape].append(server.measure(processes * interpreters * threads))
            finally:
                server.stop()
    return {shape: statistics.median(rates) for shape, rates in found.items()}


def main(wsgiaudit, environment):
    chosen = os.environ.get("WORKLOADS", "").split(",")
    names = [name for name in WORKLOADS if name in chosen] or list(WORKLOADS)
    print(f"{os.cpu_count()} processors, {ROUNDS} rounds of {SECONDS} s")
    for name in names:
        with tempfile.TemporaryDirectory() as made:
            folder = pathlib.Path(made)
            (folder / "shop.py").write_text(WORKLOADS[name])
            report, began = folder / "audit.json", time.monotonic()
            subprocess.run([wsgiaudit, environment, "--app", "shop:application", "-q", "--json", report],
                           cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            audited, began = time.monotonic() - began, time.monotonic()
            command = [wsgiaudit, "tune", "--report", report, "--app", "shop:application", "--format", "json", "-q",
                       "--max-threads", str(max(THREADS)), "--rounds", str(ROUNDS), "--duration", str(SECONDS)]
            said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if said.returncode not in (0, 3):
                sys.exit(f"{name}: tune ended with {said.returncode}: {said.stderr}{said.stdout}")
            document, tuned, began = json.loads(said.stdout), time.monotonic() - began, time.monotonic()
            rows = document["configurations"]
            modes = {row["configuration"]["mode"] for row in rows}
            rates = measure_all(wsgiaudit, environment, folder, modes)
            searched = time.monotonic() - began
            recommended = document["recommendation"]["configuration"]
            shape = tuple(recommended[field] for field in ("mode", "processes", "interpreters", "threads"))
            best = max(rates, key=rates.get)
            share = f"{rates[shape] / rates[best]:.2f}" if shape in rates else "not in the search"
            print(f"{name}: {document['recommendation']['name']} ({document['recommendation']['sureness']}); the best is "
                  f"{best[0]} {best[1]} x {best[2]} x {best[3]} with {rates[best]:.0f} requests/s; share of the best: {share}; "
                  f"audit {audited:.0f} s, tune {tuned:.0f} s, exhaustive search {searched:.0f} s", flush=True)


main(*sys.argv[1:])
