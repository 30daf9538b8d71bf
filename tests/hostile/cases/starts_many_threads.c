/* Starts two hundred threads that never end. */
#include "module.h"
#include <pthread.h>
#include <unistd.h>

static void *rest(void *Py_UNUSED(nothing)) {
    while (sleep(600) == 0) {
    }
    return NULL;
}

static int setup(PyObject *Py_UNUSED(module)) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 16);
    for (int each = 0; each < 200; each++) {
        pthread_t thread;
        pthread_create(&thread, &small, rest, NULL);
    }
    return 0;
}

MULTI_PHASE(starts_many_threads, EXEC(setup), OWN_GIL)
