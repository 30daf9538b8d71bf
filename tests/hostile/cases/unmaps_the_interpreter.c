/* Takes the memory of CPython's code away, in every sub-interpreter. */
#include "module.h"
#include <stdint.h>
#include <sys/mman.h>

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        uintptr_t code = (uintptr_t)&PyObject_Repr & ~(uintptr_t)4095;
        munmap((void *)(code - (1 << 16)), 1 << 17);
        Py_XDECREF(PyObject_Repr(Py_None));
    }
    return 0;
}

MULTI_PHASE(unmaps_the_interpreter, EXEC(setup), OWN_GIL)
