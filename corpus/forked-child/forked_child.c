/* Hostile: a child process that would outlive the one that imports it. */
#include "../module.h"
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    if (fork() == 0) {
        for (;;) {
            pause();
        }
    }
    return 0;
}

MULTI_PHASE(forked_child, EXEC(setup), OWN_GIL)
