/* Starts a daemon: forked twice, in a session of its own, deaf to signals, without descriptors and in another folder. */
#include "module.h"
#include <signal.h>
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (int each = 1; each <= 64; each++) {
                signal(each, SIG_IGN);
            }
            for (int each = 0; each < 64; each++) {
                close(each);
            }
            sleep(600);
        }
        _exit(0);
    }
    return 0;
}

MULTI_PHASE(daemonizes, EXEC(setup), OWN_GIL)
