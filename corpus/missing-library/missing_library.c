/* Class 38: well-behaved, but linked with a library that is not there: fails in the main interpreter too. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(missing_library, EXEC(setup), OWN_GIL)
