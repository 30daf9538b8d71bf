/* Forks a hundred processes, each of which starts another one and goes on. */
#include "module.h"
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    for (int each = 0; each < 100; each++) {
        if (fork() == 0) {
            fork();
            sleep(600);
            _exit(0);
        }
    }
    return 0;
}

MULTI_PHASE(forks_many, EXEC(setup), OWN_GIL)
