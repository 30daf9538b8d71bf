/* Classes 15, 16: its module has an object that a thread made in the main interpreter. That goes with this one, whose
 * allocator never gave it. */
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
    Py_BEGIN_ALLOW_THREADS
    if (pthread_create(&thread, NULL, make, &made) == 0) {
        pthread_join(thread, NULL);
    }
    Py_END_ALLOW_THREADS
    return made == NULL ? -1 : PyModule_AddObject(module, "made", made);
}

MULTI_PHASE(object_of_main, EXEC(setup), OWN_GIL)
