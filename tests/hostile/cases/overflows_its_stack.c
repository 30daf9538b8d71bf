/* Overflows its stack in every sub-interpreter, without a stack for the signal handler. */
#include "module.h"
#include <signal.h>

static int descend(volatile char *above) {
    volatile char room[4096];
    room[0] = above == NULL ? 1 : above[0];
    return descend(room) + room[0];
}

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        return descend(NULL) == 0;
    }
    return 0;
}

MULTI_PHASE(overflows_its_stack, EXEC(setup), OWN_GIL)
