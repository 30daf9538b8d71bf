/* Blocks and ignores all signals that can be, and spins in every sub-interpreter. */
#include "module.h"
#include <signal.h>

static int setup(PyObject *Py_UNUSED(module)) {
    sigset_t all;
    sigfillset(&all);
    for (int each = 1; !in_main_interpreter() && each <= 64; each++) {
        signal(each, SIG_IGN);
    }
    for (volatile long turns = 0; !in_main_interpreter(); turns++) {
        sigprocmask(SIG_BLOCK, &all, NULL);
    }
    return 0;
}

MULTI_PHASE(spins_deaf, EXEC(setup), OWN_GIL)
