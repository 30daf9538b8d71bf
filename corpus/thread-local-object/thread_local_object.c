/* Class 13, by thread: keeps a dictionary for each thread. A thread that serves two interpreters counts for the second in
 * the first one's. Private copies have thread-local data of their own. */
#include "../module.h"

static __thread PyObject *kept;

static PyObject *count(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    if (kept == NULL && (kept = PyDict_New()) == NULL) {
        return NULL;
    }
    if (PyDict_SetItemString(kept, "calls", Py_True) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(PyDict_Size(kept));
}

static PyMethodDef functions[] = {{"count", count, METH_NOARGS, NULL}, {NULL}};

static int setup(PyObject *module) {
    if (PyModule_AddFunctions(module, functions) < 0) {
        return -1;
    }
    PyObject *first = count(module, NULL);
    Py_XDECREF(first);
    return first == NULL ? -1 : 0;
}

MULTI_PHASE(thread_local_object, EXEC(setup), OWN_GIL)
