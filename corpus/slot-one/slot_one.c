/* Class 4: slot 3 = 1, "in sub-interpreters that share the main GIL". */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(slot_one, EXEC(setup), SHARED_GIL)
