/* Class 29: declares slot 3 = 2 and crashes in Py_mod_exec of any interpreter but the main one. */
#include "../module.h"

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        crash();
    }
    return 0;
}

MULTI_PHASE(crash_in_exec, EXEC(setup), OWN_GIL)
