/* Ends the thread of every sub-interpreter that imports it. */
#include "module.h"
#include <pthread.h>

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        pthread_exit(NULL);
    }
    return 0;
}

MULTI_PHASE(ends_its_thread, EXEC(setup), OWN_GIL)
