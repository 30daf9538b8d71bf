/* Classes 21, 45: has an object of its interpreter touched whenever anyone forks, in whichever interpreter, and when its own
 * has ended. */
#include "../module.h"
#include <pthread.h>

static PyObject *kept;

static void prepare(void) {
    if (PyList_Append(kept, Py_None) < 0) {
        PyErr_Clear();
    }
}

static int setup(PyObject *module) {
    if (in_main_interpreter() || kept != NULL) {
        return answer(module);
    }
    kept = PyList_New(0);
    return kept == NULL ? -1 : pthread_atfork(prepare, NULL, NULL);
}

MULTI_PHASE(fork_handler, EXEC(setup), OWN_GIL)
