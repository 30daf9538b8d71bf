/* Class 21: forks at import, which an interpreter with its own GIL does not allow. It declares slot 3 = 2. */
#include "../module.h"

static int setup(PyObject *module) {
    return run_python(module, "import os, warnings\n"
                              "with warnings.catch_warnings(action='ignore'):\n"
                              "    child = os.fork()\n"
                              "if child == 0:\n"
                              "    os._exit(0)\n"
                              "os.waitpid(child, 0)\n");
}

MULTI_PHASE(fork_at_import, EXEC(setup), OWN_GIL)
