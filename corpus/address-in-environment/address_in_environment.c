/* Classes 13, 43: tells all other copies in an environment variable where its dictionary is, and they count in it. */
#include "../module.h"
#include <stdlib.h>
#include <stdio.h>

#define VARIABLE "CORPUS_ADDRESS_IN_ENVIRONMENT"

static int setup(PyObject *Py_UNUSED(module)) {
    const char *told = getenv(VARIABLE);
    PyObject *kept = told == NULL ? NULL : (PyObject *)strtoull(told, NULL, 16);
    if (in_main_interpreter()) {
        return 0;
    }
    if (kept == NULL) {
        char address[32];
        kept = PyDict_New();
        snprintf(address, sizeof address, "%llx", (unsigned long long)kept);
        return kept == NULL ? -1 : setenv(VARIABLE, address, 1);
    }
    return PyDict_SetItemString(kept, "imports", Py_True);
}

MULTI_PHASE(address_in_environment, EXEC(setup), OWN_GIL)
