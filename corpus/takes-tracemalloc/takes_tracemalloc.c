/* Class 23: imports a module of the standard library that is refused, and goes with it. It declares slot 3 = 2. */
#include "../module.h"

static int setup(PyObject *module) {
    return run_python(module, "import tracemalloc");
}

MULTI_PHASE(takes_tracemalloc, EXEC(setup), OWN_GIL)
