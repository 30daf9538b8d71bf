/* Class 14: keeps a class of the first interpreter in a static, declares slot 3 = 2, and in the next one does not know
 * that interpreter's class of the same name: "can't adapt type". */
#include "../module.h"

static PyObject *number;

static int setup(PyObject *module) {
    if (run_python(module, "from numbers import Number") < 0) {
        return -1;
    }
    PyObject *here = PyDict_GetItemString(PyModule_GetDict(module), "Number");
    if (number == NULL) {
        number = Py_NewRef(here);
    }
    if (here != number) {
        PyErr_SetString(PyExc_TypeError, "can't adapt type 'Number'");
        return -1;
    }
    return 0;
}

MULTI_PHASE(class_identity, EXEC(setup), OWN_GIL)
