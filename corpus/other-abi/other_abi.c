/* Class 36: well-behaved as compiled, and named for another Python, which is why none imports it. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(other_abi, EXEC(setup), OWN_GIL)
