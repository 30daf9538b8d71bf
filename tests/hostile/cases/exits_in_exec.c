/* Ends the process well when a sub-interpreter executes it. */
#include "module.h"
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        _exit(0);
    }
    return 0;
}

MULTI_PHASE(exits_in_exec, EXEC(setup), OWN_GIL)
