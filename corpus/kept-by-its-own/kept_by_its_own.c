/* Declares slot 3 = 2 and keeps an object of the first interpreter in a C static, and knows whose it is: no other
 * interpreter ever uses it. That cannot be told from a use that was not seen. */
#include "../module.h"

static PyObject *memory;

static PyObject *remember(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    if (!in_first_interpreter()) {
        Py_RETURN_NONE;
    }
    return Py_NewRef(memory);
}

static PyMethodDef methods[] = {{"remember", remember, METH_NOARGS, NULL}, {NULL}};

static int setup(PyObject *module) {
    if (in_first_interpreter() && memory == NULL && (memory = PyList_New(3)) == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, methods);
}

MULTI_PHASE(kept_by_its_own, EXEC(setup), OWN_GIL)
