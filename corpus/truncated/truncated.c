/* Class 35: well-behaved as compiled; the file is then cut short, as a full disk does. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(truncated, EXEC(setup), OWN_GIL)
