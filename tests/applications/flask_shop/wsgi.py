"""A shop with one of each hazard. tests/application.rs knows the lines by their marks."""

import atexit
import os
import threading

from flask import Flask, request

application = Flask(__name__)
prices = {}


def refresh():
    pass


worker = threading.Thread(target=refresh)


@application.get("/prices")
def show_prices():
    import pandas  # mark: lazy

    prices[request.args["in"]] = pandas.__name__  # mark: process-wide-global
    return prices


@application.post("/refresh")
def start():
    threading.Thread(target=refresh, daemon=True).start()  # mark: daemon-thread
    return "started"


@application.post("/report")
def report():
    child = os.fork()  # mark: fork-or-exec
    return str(child)


def stop():
    worker.join()


atexit.register(stop)  # mark: atexit-cleanup
