/* Class 37: it imports the module that imports it, so it can be imported only after that one (scipy, mypy). */
#include "../../module.h"

static int setup(PyObject *module) {
    PyObject *outer = PyImport_ImportModule("circular_import.outer");
    if (outer == NULL) {
        return -1;
    }
    Py_DECREF(outer);
    return answer(module);
}

MULTI_PHASE(_core, EXEC(setup), OWN_GIL)
