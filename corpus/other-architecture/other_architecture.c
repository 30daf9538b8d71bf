/* Class 35: well-behaved as compiled; the file's header then names another machine. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(other_architecture, EXEC(setup), OWN_GIL)
