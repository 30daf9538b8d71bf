/* Class 13, and cured by copies: needs a library of the environment that its RUNPATH finds by an absolute path, as what
 * is built in place has. Its copy must need a copy.
 *
 * links with: library_by_absolute_runpath.libs/libabsolute.so.1
 * runpath: SITE_PACKAGES/library_by_absolute_runpath.libs */
#include "../beside.h"

extern PyObject *libabsolute_kept;

static int setup(PyObject *Py_UNUSED(module)) {
    return count_in(&libabsolute_kept);
}

MULTI_PHASE(library_by_absolute_runpath, EXEC(setup), OWN_GIL)
