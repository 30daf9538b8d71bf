/* Classes 13, 28: declares slot 3 = 2, and each interpreter's import replaces what a C static keeps: the first
 * interpreter goes on with an object of the second. */
#include "../module.h"

static PyObject *latest;

static PyObject *show(PyObject *Py_UNUSED(self)) {
    return PyUnicode_FromFormat("%zd", PyList_Size(latest));
}

static PyType_Slot shown_slots[] = {{Py_tp_repr, show}, {0, NULL}};
static PyType_Spec shown = {"kept_last.Shown", 0, 0, Py_TPFLAGS_DEFAULT, shown_slots};

static int setup(PyObject *module) {
    PyObject *list = PyList_New(0);
    PyObject *type = list == NULL ? NULL : PyType_FromModuleAndSpec(module, &shown, NULL);
    PyObject *one = type == NULL ? NULL : PyObject_CallNoArgs(type);
    latest = list; /* what it kept before is another interpreter's: it cannot be released here */
    int result = one == NULL ? -1 : PyModule_AddObjectRef(module, "one", one);
    Py_XDECREF(type);
    Py_XDECREF(one);
    return result;
}

MULTI_PHASE(kept_last, EXEC(setup), OWN_GIL)
