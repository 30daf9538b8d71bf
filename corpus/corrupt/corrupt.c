/* Class 35: well-behaved as compiled; everything behind the file's first header is then overwritten. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(corrupt, EXEC(setup), OWN_GIL)
