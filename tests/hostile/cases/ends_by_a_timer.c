/* Sets a timer whose signal ends the process, in every sub-interpreter. */
#include "module.h"
#include <signal.h>
#include <sys/time.h>

static int setup(PyObject *Py_UNUSED(module)) {
    struct itimerval soon = {.it_value = {.tv_usec = 2000}, .it_interval = {.tv_usec = 2000}};
    return in_main_interpreter() ? 0 : setitimer(ITIMER_REAL, &soon, NULL);
}

MULTI_PHASE(ends_by_a_timer, EXEC(setup), OWN_GIL)
