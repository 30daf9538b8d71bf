/* Well-behaved, with a function. */
#include "../../module.h"

static PyObject *get(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arguments)) {
    return PyLong_FromLong(42);
}

static PyMethodDef functions[] = {{"answer", get, METH_NOARGS, NULL}, {NULL}};

static int setup(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}

MULTI_PHASE(_back, EXEC(setup), OWN_GIL)
