/* Classes 13, 43: an audit hook of C is called in every interpreter, here with a list of the one that installed it. */
#include "../module.h"

static int hear(const char *Py_UNUSED(event), PyObject *Py_UNUSED(arguments), void *heard) {
    return PyList_Size(heard) < 0 ? -1 : 0;
}

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return answer(module);
    }
    PyObject *heard = PyList_New(0);
    return heard == NULL ? -1 : PySys_AddAuditHook(hear, heard);
}

MULTI_PHASE(audit_hook, EXEC(setup), OWN_GIL)
