/* Class 44: thread-local data in the room that a process has from its start (initial-exec). It does for one copy, not for
 * many: the dynamic linker refuses the next. */
#include "../module.h"

static __thread volatile char block[900] __attribute__((tls_model("initial-exec")));

static int setup(PyObject *module) {
    block[0] = 1;
    return answer(module);
}

MULTI_PHASE(static_tls_large, EXEC(setup), OWN_GIL)
