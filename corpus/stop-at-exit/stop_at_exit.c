/* Class 19: a thread that an atexit function stops. The end of an interpreter waits for threads first and
 * runs atexit functions afterwards, so it never ends. The main interpreter is let off: there a server
 * dies by exit, and this case is about the others. */
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
