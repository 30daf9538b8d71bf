/* Classes 15 and 16: a thread of its own takes the GIL with PyGILState_Ensure, which enters the main interpreter
 * whoever imports the module. What it makes there is memory of that interpreter's allocator, and this one frees it.
 * It declares slot 3 = 2. */
#include "../module.h"

#include <pthread.h>

static void *make(void *made) {
    PyGILState_STATE state = PyGILState_Ensure();
    *(PyObject **)made = PyBytes_FromString("made by a thread");
    PyGILState_Release(state);
    return NULL;
}

static int setup(PyObject *module) {
    PyObject *made = NULL;
    pthread_t thread;
    int failed = 0;
    Py_BEGIN_ALLOW_THREADS
    failed = pthread_create(&thread, NULL, make, &made) || pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    if (failed || made == NULL) {
        return -1;
    }
    Py_DECREF(made);
    return answer(module);
}

MULTI_PHASE(gilstate, EXEC(setup), OWN_GIL)
