/* Class 45: changes the process's current folder and its umask at import, for all interpreters. */
#include "../module.h"
#include <sys/stat.h>
#include <unistd.h>

static int setup(PyObject *module) {
    if (!in_main_interpreter()) {
        umask(0);
        if (chdir("/") != 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
    }
    return answer(module);
}

MULTI_PHASE(changes_directory, EXEC(setup), OWN_GIL)
