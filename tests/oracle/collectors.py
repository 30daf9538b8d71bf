"""An object that a C static holds, and the collectors of two interpreters that reach it.

On a free-threaded build the second one's last collection leaves its count in the object's head
(Python/gc_free_threading.c, visit_decref). The first one's collection then takes the static's reference for none.
"""

import gc
import threading

import _interpreters
import made_with_cpp


def live():
    interpreter = _interpreters.create("legacy")
    error = _interpreters.exec(interpreter, "import made_with_cpp; print(made_with_cpp.orders, flush=True)")
    assert error is None, error.formatted
    _interpreters.destroy(interpreter)


def on_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


on_a_thread(live)
del made_with_cpp.orders
gc.collect()
on_a_thread(live)
