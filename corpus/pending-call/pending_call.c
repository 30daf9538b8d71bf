/* Classes 13, 43: asks CPython to call a function of the interpreter that imports the module, some time. The main
 * interpreter does, and when the other has ended. */
#include "../module.h"

static int call(void *function) {
    PyObject *result = PyObject_CallNoArgs(function);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int setup(PyObject *module) {
    if (run_python(module, "def on_event():\n    return [1]\n") < 0) {
        return -1;
    }
    PyObject *function = PyDict_GetItemString(PyModule_GetDict(module), "on_event");
    return Py_AddPendingCall(call, Py_NewRef(function));
}

MULTI_PHASE(pending_call, EXEC(setup), OWN_GIL)
