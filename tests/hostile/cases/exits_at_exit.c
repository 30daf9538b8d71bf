/* Once a sub-interpreter has imported it, ends the process with status 3 in an exit handler. */
#include "module.h"
#include <unistd.h>

static void end_process(void) {
    _exit(3);
}

static int setup(PyObject *Py_UNUSED(module)) {
    return in_main_interpreter() ? 0 : atexit(end_process);
}

MULTI_PHASE(exits_at_exit, EXEC(setup), OWN_GIL)
