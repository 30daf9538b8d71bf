/* Class 18, in C: a thread that enters the right interpreter and waits there for ever keeps it from ending in peace. */
#include "../module.h"
#include <pthread.h>
#include <unistd.h>

static void *wait_in(void *interpreter) {
    PyThreadState *state = PyThreadState_New(interpreter);
    PyEval_RestoreThread(state);
    Py_BEGIN_ALLOW_THREADS
    for (;;) {
        pause();
    }
    Py_END_ALLOW_THREADS
    return NULL;
}

static int setup(PyObject *Py_UNUSED(module)) {
    pthread_t thread;
    if (in_main_interpreter()) {
        return 0;
    }
    if (pthread_create(&thread, NULL, wait_in, PyInterpreterState_Get()) != 0) {
        return -1;
    }
    pthread_detach(thread);
    Py_BEGIN_ALLOW_THREADS
    usleep(50000); /* until it is there */
    Py_END_ALLOW_THREADS
    return 0;
}

MULTI_PHASE(thread_state_outlives, EXEC(setup), OWN_GIL)
