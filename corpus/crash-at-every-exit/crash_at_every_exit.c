/* Class 38: the process crashes as it ends, whichever interpreter it was in: no matter of sub-interpreters. */
#include "../module.h"

static int setup(PyObject *Py_UNUSED(module)) {
    static int is_asked = 0;
    if (is_asked) {
        return 0;
    }
    is_asked = 1;
    return Py_AtExit(crash);
}

MULTI_PHASE(crash_at_every_exit, EXEC(setup), OWN_GIL)
