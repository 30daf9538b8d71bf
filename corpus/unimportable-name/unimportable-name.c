/* Class 36, in a way: a file whose name no import statement can say: well-behaved, and out of reach. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(unimportable_name, EXEC(setup), OWN_GIL)
