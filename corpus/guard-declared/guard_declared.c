/* Class 5, and it declares slot 3 = 2 all the same: CPython lets it in, the first interpreter is served,
 * every further one is refused by the module. */
#include "../module.h"

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_first_interpreter()) {
        PyErr_SetString(
            PyExc_ImportError,
            "Interpreter change detected - this module can only be loaded into one interpreter per process.");
        return -1;
    }
    return 0;
}

MULTI_PHASE(guard_declared, EXEC(setup), OWN_GIL)
