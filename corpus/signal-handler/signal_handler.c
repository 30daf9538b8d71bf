/* Class 22, and an exception that is no refusal: sets a signal handler at import, which only the
 * main interpreter may. It declares slot 3 = 2. */
#include "../module.h"

static int setup(PyObject *module) {
    return run_python(module, "import signal\n"
                              "signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n");
}

MULTI_PHASE(signal_handler, EXEC(setup), OWN_GIL)
