/* Classes 20, 45: has an object of its interpreter released as the process ends (atexit of C). */
#include "../module.h"
#include <stdlib.h>

static PyObject *kept;

static void release(void) {
    Py_CLEAR(kept);
}

static int setup(PyObject *module) {
    if (in_main_interpreter() || kept != NULL) {
        return answer(module);
    }
    kept = PyDict_New();
    return kept == NULL ? -1 : atexit(release);
}

MULTI_PHASE(exit_handler, EXEC(setup), OWN_GIL)
