/* Class 20: has its thread release an object as it ends, without a GIL and after the interpreter. The main interpreter's
 * thread never ends that way. */
#include "../module.h"
#include <pthread.h>

static pthread_key_t key;

static void release(void *object) {
    Py_DECREF((PyObject *)object);
}

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return answer(module);
    }
    PyObject *kept = PyList_New(0);
    if (kept == NULL || (key == 0 && pthread_key_create(&key, release) != 0)) {
        return -1;
    }
    pthread_setspecific(key, kept);
    return answer(module);
}

MULTI_PHASE(thread_exit_destructor, EXEC(setup), OWN_GIL)
