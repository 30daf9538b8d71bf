/* Replaces the process by a program that ends well, in every sub-interpreter. */
#include "module.h"
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        execl("/bin/true", "true", NULL);
        return -1;
    }
    return 0;
}

MULTI_PHASE(becomes_another_program, EXEC(setup), OWN_GIL)
