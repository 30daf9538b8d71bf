/* The library of stub_of_a_library: crashes in every sub-interpreter. */
#include "module.h"

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        crash();
    }
    return 0;
}

MULTI_PHASE(stub_of_a_library, EXEC(setup), OWN_GIL)
