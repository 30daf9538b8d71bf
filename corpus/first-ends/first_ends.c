/* Class 13: every interpreter's `names` shows the list of the first one's module, which goes with that interpreter: harm comes
 * where the first ends and another one goes on. */
#include "../module.h"

static PyObject *names;

static PyObject *show(PyObject *Py_UNUSED(self)) {
    return PyObject_Repr(names);
}

static PyType_Slot parts[] = {{Py_tp_repr, show}, {0, NULL}};
static PyType_Spec shelf = {.name = "first_ends.Shelf", .flags = Py_TPFLAGS_DEFAULT, .slots = parts};

static int setup(PyObject *module) {
    if (names == NULL) {
        names = Py_BuildValue("[[s]]", "first");
        if (names == NULL || PyModule_AddObject(module, "names", names) < 0) {
            return -1;
        }
    }
    PyObject *type = PyType_FromSpec(&shelf);
    PyObject *object = type == NULL ? NULL : PyObject_CallNoArgs(type);
    Py_XDECREF(type);
    if (object == NULL || PyModule_AddObject(module, "shelf", object) < 0) {
        return -1;
    }
    return 0;
}

MULTI_PHASE(first_ends, EXEC(setup))
