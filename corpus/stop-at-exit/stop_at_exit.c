/* Class 19: a thread that an atexit function stops. The end of an interpreter waits for threads first and
 * runs atexit functions afterwards, so it never ends. The main interpreter is let off: there a server
 * dies by exit, and this case is about the others. daemon=False, since threads of a sub-interpreter that runs
 * on a server's native thread and shares the GIL are daemon threads by default (3.13 on: they inherit it from
 * threading._DummyThread), and those are left behind instead, which the case daemon-thread is about. */
#include "../module.h"

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return 0;
    }
    return run_python(module, "import atexit, threading\n"
                              "stop = threading.Event()\n"
                              "threading.Thread(target=stop.wait, daemon=False).start()\n"
                              "atexit.register(stop.set)\n");
}

MULTI_PHASE(stop_at_exit, EXEC(setup), OWN_GIL)
