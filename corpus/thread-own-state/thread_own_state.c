/* Well-behaved: a thread of its own enters the interpreter that imports the module, with a thread state that it makes for
 * that, and ends before the import does. */
#include "../module.h"
#include <pthread.h>

struct call {
    PyInterpreterState *interpreter;
    PyObject *function;
    PyObject *result;
};

static void *enter(void *argument) {
    struct call *call = argument;
    PyThreadState *state = PyThreadState_New(call->interpreter);
    PyEval_RestoreThread(state);
    call->result = PyObject_CallNoArgs(call->function);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
    return NULL;
}

static int setup(PyObject *module) {
    if (run_python(module, "def on_event():\n    return 42.5\n") < 0) {
        return -1;
    }
    struct call call = {PyInterpreterState_Get(), PyDict_GetItemString(PyModule_GetDict(module), "on_event"), NULL};
    pthread_t thread;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = pthread_create(&thread, NULL, enter, &call) || pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    if (failed || call.result == NULL) {
        return -1;
    }
    return PyModule_AddObject(module, "answer", call.result);
}

MULTI_PHASE(thread_own_state, EXEC(setup), OWN_GIL)
