/* Classes 15, 22, 45: a signal handler of C, set at import where Python's own way is refused. It calls a function of the
 * interpreter that came last, on whichever thread the signal comes to. */
#include "../module.h"
#include <signal.h>

static PyObject *function;

static void call(int Py_UNUSED(number)) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = PyObject_CallNoArgs(function);
    Py_XDECREF(result);
    PyErr_Clear();
    PyGILState_Release(state);
}

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return answer(module);
    }
    if (run_python(module, "def on_signal():\n    return [1]\n") < 0) {
        return -1;
    }
    function = Py_NewRef(PyDict_GetItemString(PyModule_GetDict(module), "on_signal"));
    struct sigaction action = {.sa_handler = call, .sa_flags = SA_RESTART};
    return sigaction(SIGUSR2, &action, NULL);
}

MULTI_PHASE(c_signal_handler, EXEC(setup), OWN_GIL)
