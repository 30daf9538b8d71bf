/* Classes 13, 41: takes a symbol of the library that ctypes has opened with RTLD_GLOBAL. Private copy or not, all
 * interpreters find the first one. */
#include "../../beside.h"

extern PyObject *libglobal_kept;

static int setup(PyObject *Py_UNUSED(module)) {
    return count_in(&libglobal_kept);
}

MULTI_PHASE(_user, EXEC(setup), OWN_GIL)
