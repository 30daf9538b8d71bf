/* Classes 13, 39: opens a library by the path that was written into it when it was built, as what is configured with a
 * prefix does. Every copy opens the same file. */
#include "../beside.h"

static int setup(PyObject *Py_UNUSED(module)) {
    void *library = open_library(SITE_PACKAGES "/library_by_baked_path.libs/libbaked.so.1", RTLD_NOW);
    return count_in(symbol_of(library, "libbaked_kept"));
}

MULTI_PHASE(library_by_baked_path, EXEC(setup), OWN_GIL)
