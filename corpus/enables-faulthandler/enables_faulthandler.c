/* Class 22: handles signals for the whole process with a module of the standard library. It declares slot 3 = 2. */
#include "../module.h"

static int setup(PyObject *module) {
    return run_python(module, "import faulthandler; faulthandler.enable()");
}

MULTI_PHASE(enables_faulthandler, EXEC(setup), OWN_GIL)
