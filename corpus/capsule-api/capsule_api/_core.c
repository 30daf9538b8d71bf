/* Gives out a table of C in a capsule, as numpy does: with its type, which is static. */
#include "../../module.h"

static PyTypeObject Till = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "capsule_api.Till",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
};
static void *table[] = {&Till};

static int setup(PyObject *module) {
    PyObject *capsule = PyCapsule_New(table, "capsule_api._core.table", NULL);
    if (capsule == NULL || PyModule_AddType(module, &Till) < 0) {
        return -1;
    }
    return PyModule_AddObject(module, "table", capsule);
}

MULTI_PHASE(_core, EXEC(setup), OWN_GIL)
