/* Hostile: in a sub-interpreter, kills its whole process group: on a server, all of it. */
#include "../module.h"
#include <signal.h>

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        kill(0, SIGKILL);
    }
    return 0;
}

MULTI_PHASE(killed_group, EXEC(setup), OWN_GIL)
