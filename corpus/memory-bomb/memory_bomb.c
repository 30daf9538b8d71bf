/* Class 33: takes all the memory there is, in every interpreter but the main one. */
#include "../module.h"

#include <stdlib.h>

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return answer(module);
    }
    for (;;) {
        char *more = malloc(64 << 20);
        if (more == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        *(volatile char *)more = 1;
    }
}

MULTI_PHASE(memory_bomb, EXEC(setup), OWN_GIL)
