/* Class 35: well-behaved as compiled; the file is then replaced by a link to one that is not there. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(broken_link, EXEC(setup), OWN_GIL)
