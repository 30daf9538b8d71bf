/* Class 27: declares slot 3 = 2, and needs a module that does not: blocked by a dependency. */
#include "../module.h"

static int setup(PyObject *module) {
    return run_python(module, "import no_slot\n");
}

MULTI_PHASE(dependent, EXEC(setup), OWN_GIL)
