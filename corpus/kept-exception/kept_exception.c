/* Classes 13, 14, 28: declares slot 3 = 2, and makes its exception once in a process. Importing it is harmless; every
 * interpreter but the first raises an exception that is not its own. */
#include "../module.h"

static PyObject *Failure;

static PyObject *fail(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyErr_SetString(Failure, "as always");
    return NULL;
}

static PyMethodDef methods[] = {{"fail", fail, METH_NOARGS, NULL}, {NULL}};

static int setup(PyObject *module) {
    if (Failure == NULL && (Failure = PyErr_NewException("kept_exception.Failure", NULL, NULL)) == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, methods);
}

MULTI_PHASE(kept_exception, EXEC(setup), OWN_GIL)
