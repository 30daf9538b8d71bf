/* Class 3: slot 3 = 0, "not in sub-interpreters": refused wherever the check is on. */
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(slot_zero, EXEC(setup), NO_SUBINTERPRETERS)
