/* Classes 13, 41: takes a symbol from whoever made it known to all first. With private copies that is the first
 * interpreter's copy, for all interpreters. */
#include "../../beside.h"

extern PyObject *global_symbol_kept;

static int setup(PyObject *Py_UNUSED(module)) {
    return count_in(&global_symbol_kept);
}

MULTI_PHASE(_user, EXEC(setup), OWN_GIL)
