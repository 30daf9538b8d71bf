/* Classes 15, 17: a thread that goes on for ever calls a function of the interpreter that imported the module, in the main
 * interpreter, and after that interpreter's end. */
#include "../module.h"
#include <pthread.h>
#include <unistd.h>

static void *call(void *function) {
    for (;;) {
        usleep(2000);
        PyGILState_STATE state = PyGILState_Ensure();
        PyObject *result = PyObject_CallNoArgs(function);
        if (result == NULL) {
            PyErr_Clear();
        }
        Py_XDECREF(result);
        PyGILState_Release(state);
    }
    return NULL;
}

static int setup(PyObject *module) {
    pthread_t thread;
    if (in_main_interpreter()) {
        return 0;
    }
    if (run_python(module, "def on_event():\n    return [1]\n") < 0) {
        return -1;
    }
    PyObject *function = PyDict_GetItemString(PyModule_GetDict(module), "on_event");
    if (pthread_create(&thread, NULL, call, Py_NewRef(function)) != 0) {
        return -1;
    }
    pthread_detach(thread);
    return 0;
}

MULTI_PHASE(thread_keeps_calling, EXEC(setup), OWN_GIL)
