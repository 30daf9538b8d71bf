/* Class 15: a thread of its own takes the GIL with PyGILState_Ensure, which enters the main interpreter, and calls a
 * function of the interpreter that imports the module. Nothing comes of it here but the race. */
#include "../module.h"
#include <pthread.h>

static void *call(void *function) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = PyObject_CallNoArgs(function);
    if (result == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(result);
    PyGILState_Release(state);
    return NULL;
}

static int setup(PyObject *module) {
    if (run_python(module, "def on_event():\n    return None\n") < 0) {
        return -1;
    }
    PyObject *function = PyDict_GetItemString(PyModule_GetDict(module), "on_event");
    pthread_t thread;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = pthread_create(&thread, NULL, call, function) || pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    return failed ? -1 : 0;
}

MULTI_PHASE(thread_calls_back, EXEC(setup), OWN_GIL)
