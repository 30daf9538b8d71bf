/* Classes 6, 46: "once per process", known by an environment variable: copies do not cure it. */
#include "../module.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int setup(PyObject *module) {
    char name[64];
    snprintf(name, sizeof name, "CORPUS_ONCE_BY_ENVIRONMENT_%d", (int)getpid());
    if (getenv(name) != NULL) {
        PyErr_SetString(PyExc_ImportError, "cannot load module more than once per process");
        return -1;
    }
    setenv(name, "1", 1);
    return answer(module);
}

MULTI_PHASE(once_by_environment, EXEC(setup), OWN_GIL)
