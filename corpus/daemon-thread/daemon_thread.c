/* Class 18: a daemon thread started at import. An own-GIL interpreter forbids it; one that shares the
 * GIL allows it, and then cannot end while the thread is there. */
#include "../module.h"

static int setup(PyObject *module) {
    return run_python(module, "import threading\n"
                              "threading.Thread(target=threading.Event().wait, daemon=True).start()\n");
}

MULTI_PHASE(daemon_thread, EXEC(setup), OWN_GIL)
