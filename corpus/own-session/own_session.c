/* Hostile: a daemon by the book: a session of its own, no parent, no descriptors, no name, deaf to signals. */
#include "../module.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) {
            prctl(PR_SET_NAME, ") Z 1 1 (");
            for (int number = 1; number < NSIG; number++) {
                signal(number, SIG_IGN);
            }
            for (int descriptor = 0; descriptor < 1024; descriptor++) {
                close(descriptor);
            }
            for (;;) {
                pause();
            }
        }
        _exit(0);
    }
    return waitpid(child, NULL, 0) == child ? 0 : -1;
}

MULTI_PHASE(own_session, EXEC(setup), OWN_GIL)
