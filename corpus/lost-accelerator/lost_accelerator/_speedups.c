/* Class 25: an accelerator without slot 3, which its package falls back from in silence. */
#include "../../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(_speedups, EXEC(setup))
