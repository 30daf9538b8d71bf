/* Class 44, and enough for a trial: a little of that room. How many copies there can be is to be said. */
#include "../module.h"

static __thread volatile char block[64] __attribute__((tls_model("initial-exec")));

static int setup(PyObject *module) {
    block[0] = 1;
    return answer(module);
}

MULTI_PHASE(static_tls_small, EXEC(setup), OWN_GIL)
