/* Class 27: what it needs itself is refused as well, which its package's failure hides. */
#include "../../module.h"

static int setup(PyObject *module) {
    return run_python(module, "import no_slot\n");
}

MULTI_PHASE(inner, EXEC(setup), OWN_GIL)
