/* Class 16: gives back in one interpreter what another one's allocator gave. It declares slot 3 = 2; only an
 * interpreter with its own GIL has its own allocator. */
#include "../module.h"

static void *last;

static int setup(PyObject *module) {
    (void)module;
    PyObject_Free(last);
    last = PyObject_Malloc(64);
    return last == NULL ? -1 : 0;
}

MULTI_PHASE(foreign_memory, EXEC(setup), OWN_GIL)
