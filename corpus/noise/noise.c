/* Class 32: more on stdout and stderr than a pipe holds, with escape sequences and invalid UTF-8 in it. */
#include "../module.h"
#include <stdio.h>

static int setup(PyObject *Py_UNUSED(module)) {
    for (int line = 0; line < 8192; line++) {
        fprintf(stdout, "\x1b[31mnoise\xff on stdout\x1b[0m\n");
        fprintf(stderr, "\x1b[2J\xc3\x28noise on stderr\n");
    }
    fflush(stdout);
    return 0;
}

MULTI_PHASE(noise, EXEC(setup), OWN_GIL)
