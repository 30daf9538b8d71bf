/* Class 44: registers functions with Py_AtExit, once in a process as far as it knows. CPython has room for 32: with a copy
 * for each interpreter there is none for the third. */
#include "../module.h"

static void nothing(void) {}

static int setup(PyObject *module) {
    static int is_registered;
    for (int count = 0; !is_registered && count < 12; count++) {
        if (Py_AtExit(nothing) < 0) {
            PyErr_SetString(PyExc_RuntimeError, "there is no room for another exit function");
            return -1;
        }
    }
    is_registered = 1;
    return answer(module);
}

MULTI_PHASE(at_exit_slots, EXEC(setup), OWN_GIL)
