/* Classes 13, 39: opens the library in its RUNPATH by a bare name. The dynamic linker remembers the name that a library
 * was asked by: the second copy that asks gets what the first one opened, wherever its own RUNPATH leads.
 *
 * runpath: $ORIGIN/library_by_name.libs */
#include "../beside.h"

static int setup(PyObject *Py_UNUSED(module)) {
    void *library = open_library("libnamed.so.1", RTLD_NOW | RTLD_GLOBAL);
    return count_in(symbol_of(library, "libnamed_kept"));
}

MULTI_PHASE(library_by_name, EXEC(setup), OWN_GIL)
