/* Class 2: multi-phase initialisation without slot 3, which CPython takes for 1: refused only with an own GIL. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(no_slot, EXEC(setup))
