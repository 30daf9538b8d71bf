/* Class 5, by the interpreter's number: serves the main interpreter and no other, whichever came first. Copies do not
 * change that. */
#include "../module.h"

static int setup(PyObject *module) {
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_ImportError, "main_only serves the main interpreter only");
        return -1;
    }
    return answer(module);
}

MULTI_PHASE(main_only, EXEC(setup), OWN_GIL)
