/* Class 39, and harmless: the library that it opens by `__file__` keeps nothing, so it does not matter that all
 * interpreters have the same one. */
#include "../beside.h"

static int setup(PyObject *module) {
    void *library = open_beside_module(module, "library_by_file_plain.libs/libplain.so.1", RTLD_NOW);
    int (*find)(void) = (int (*)(void))symbol_of(library, "libplain_answer");
    return find == NULL ? -1 : PyModule_AddIntConstant(module, "answer", find());
}

MULTI_PHASE(library_by_file_plain, EXEC(setup), OWN_GIL)
