/* Classes 11, 13, and cured by copies: uses the table of its sibling, which it finds by a capsule and keeps in a C static. */
#include "../../module.h"

static void **table;

static int setup(PyObject *module) {
    table = PyCapsule_Import("capsule_api._core.table", 0);
    PyObject *one = table == NULL ? NULL : PyObject_CallNoArgs((PyObject *)table[0]);
    return one == NULL ? -1 : PyModule_AddObject(module, "one", one);
}

MULTI_PHASE(_user, EXEC(setup), OWN_GIL)
