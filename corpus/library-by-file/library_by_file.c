/* Classes 13, 39: finds the library beside it by `__file__`. A private copy of this module opens the same file as all
 * others, so that every interpreter counts in the first one's dictionary. */
#include "../beside.h"

static int setup(PyObject *module) {
    void *library = open_beside_module(module, "library_by_file.libs/liborders.so.1", RTLD_NOW);
    return count_in(symbol_of(library, "liborders_kept"));
}

MULTI_PHASE(library_by_file, EXEC(setup), OWN_GIL)
