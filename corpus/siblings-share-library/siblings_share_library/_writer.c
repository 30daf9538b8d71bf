/* Leaves a dictionary in the library that it has in common with its sibling.
 *
 * links with: siblings_share_library.libs/libsiblings-1a2b3c4d.so.1
 * runpath: $ORIGIN/../siblings_share_library.libs */
#include "../../module.h"

extern PyObject *libsiblings_kept;

static int setup(PyObject *Py_UNUSED(module)) {
    int64_t here = PyInterpreterState_GetID(PyInterpreterState_Get());
    libsiblings_kept = Py_BuildValue("{sL}", "interpreter", (long long)here);
    return libsiblings_kept == NULL ? -1 : 0;
}

MULTI_PHASE(_writer, EXEC(setup), OWN_GIL)
