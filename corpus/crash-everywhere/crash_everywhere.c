/* Class 29, in every interpreter: no matter of compatibility. */
#include "../module.h"

static int setup(PyObject *Py_UNUSED(module)) {
    crash();
    return 0;
}

MULTI_PHASE(crash_everywhere, EXEC(setup), OWN_GIL)
