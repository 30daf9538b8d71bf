/* Hostile: a grandchild whose parent is gone, so that nobody seems to be answerable for it. */
#include "../module.h"
#include <sys/wait.h>
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            for (;;) {
                pause();
            }
        }
        _exit(0);
    }
    return waitpid(child, NULL, 0) == child ? 0 : -1;
}

MULTI_PHASE(forked_twice, EXEC(setup), OWN_GIL)
