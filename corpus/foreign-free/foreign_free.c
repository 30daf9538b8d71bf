/* Classes 16, 43: frees what another interpreter's allocator gave. It knows from an environment variable where that is:
 * copies do not cure it. */
#include "../module.h"
#include <stdlib.h>
#include <stdio.h>

#define VARIABLE "CORPUS_FOREIGN_FREE"

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return answer(module);
    }
    const char *told = getenv(VARIABLE);
    if (told != NULL) {
        PyObject_Free((void *)strtoull(told, NULL, 16));
    }
    char address[32];
    snprintf(address, sizeof address, "%llx", (unsigned long long)PyObject_Malloc(64));
    return setenv(VARIABLE, address, 1) < 0 ? -1 : answer(module);
}

MULTI_PHASE(foreign_free, EXEC(setup), OWN_GIL)
