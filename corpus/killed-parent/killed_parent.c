/* Hostile: kills the process that started its own. Its server's, on a server. */
#include "../module.h"
#include <signal.h>
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    kill(getppid(), SIGKILL);
    return 0;
}

MULTI_PHASE(killed_parent, EXEC(setup), OWN_GIL)
