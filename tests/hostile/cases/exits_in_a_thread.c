/* In a sub-interpreter, starts a thread that ends the process well, a moment later. */
#include "module.h"
#include <pthread.h>
#include <unistd.h>

static void *end_process(void *Py_UNUSED(nothing)) {
    usleep(2000);
    _exit(0);
}

static int setup(PyObject *Py_UNUSED(module)) {
    pthread_t thread;
    return in_main_interpreter() ? 0 : pthread_create(&thread, NULL, end_process, NULL);
}

MULTI_PHASE(exits_in_a_thread, EXEC(setup), OWN_GIL)
