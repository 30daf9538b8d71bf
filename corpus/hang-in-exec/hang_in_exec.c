/* Class 30: declares slot 3 = 2 and never returns from Py_mod_exec in any interpreter but the main one. */
#include "../module.h"
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    while (!in_main_interpreter()) {
        pause();
    }
    return 0;
}

MULTI_PHASE(hang_in_exec, EXEC(setup), OWN_GIL)
