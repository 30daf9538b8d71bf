/* Declares that it needs no GIL, and refuses to load without one. */
#include "../module.h"

static int setup(PyObject *module) {
    return run_python(module,
                      "import sys\n"
                      "if not getattr(sys, '_is_gil_enabled', lambda: True)():\n"
                      "    raise ImportError('needs the GIL after all')\n");
}

MULTI_PHASE(gil_refuses, EXEC(setup), OWN_GIL)
