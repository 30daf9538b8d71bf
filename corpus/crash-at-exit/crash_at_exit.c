/* Class 20: once it was in an interpreter other than the main one, the process crashes as it ends. */
#include "../module.h"

static int setup(PyObject *Py_UNUSED(module)) {
    static int is_asked = 0;
    if (!in_main_interpreter() && !is_asked) {
        is_asked = 1;
        return Py_AtExit(crash);
    }
    return 0;
}

MULTI_PHASE(crash_at_exit, EXEC(setup), OWN_GIL)
