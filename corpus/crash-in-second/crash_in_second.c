/* Class 29: declares slot 3 = 2, serves one interpreter and crashes in Py_mod_exec of the second. */
#include "../module.h"

static int imports = 0;

static int setup(PyObject *Py_UNUSED(module)) {
    if (++imports > 1) {
        crash();
    }
    return 0;
}

MULTI_PHASE(crash_in_second, EXEC(setup), OWN_GIL)
