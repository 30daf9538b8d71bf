/* Class 26: an extension module without slot 3 that its package imports at first use. */
#include "../../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(_engine, EXEC(setup))
