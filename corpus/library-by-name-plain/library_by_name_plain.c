/* Class 39, and harmless: opens the library in its RUNPATH by a bare name, and that keeps nothing. No header of its
 * file names that library: a copy must find it all the same.
 *
 * runpath: $ORIGIN/library_by_name_plain.libs */
#include "../beside.h"

static int setup(PyObject *module) {
    int (*find)(void) = (int (*)(void))symbol_of(open_library("libquiet.so.1", RTLD_NOW), "libquiet_answer");
    return find == NULL ? -1 : PyModule_AddIntConstant(module, "answer", find());
}

MULTI_PHASE(library_by_name_plain, EXEC(setup), OWN_GIL)
