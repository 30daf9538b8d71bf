/* Class 37: well-behaved, in a package that needs a sibling imported first. */
#include "../../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(_impl, EXEC(setup), OWN_GIL)
