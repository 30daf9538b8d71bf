/* Class 35: well-behaved as compiled; the file is then emptied. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(empty_file, EXEC(setup), OWN_GIL)
