/* Classes 13, 28: declares slot 3 = 2 and keeps a dictionary in memory of malloc as soon as its function is called. Called
 * in another interpreter, that looks at the first one's dictionary. */
#include "../module.h"

struct shelf {
    char label[24];
    PyObject *orders;
};

static struct shelf *shelf;

static PyObject *count(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arguments)) {
    if (in_main_interpreter()) {
        return PyLong_FromLong(0);
    }
    if (shelf == NULL) {
        shelf = calloc(1, sizeof *shelf);
        if (shelf == NULL || (shelf->orders = PyDict_New()) == NULL) {
            return PyErr_NoMemory();
        }
    }
    return PyLong_FromSsize_t(PyDict_Size(shelf->orders));
}

static PyMethodDef functions[] = {{"count", count, METH_NOARGS, NULL}, {NULL}};

static int setup(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}

MULTI_PHASE(heap_at_use, EXEC(setup), OWN_GIL)
