/* Class 20: releases an object when Python has ended, which is long after its interpreter, and in no interpreter. */
#include "../module.h"

static PyObject *kept;

static void release(void) {
    Py_CLEAR(kept);
}

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return answer(module);
    }
    if (kept == NULL) {
        kept = PyDict_New();
        return kept == NULL ? -1 : Py_AtExit(release);
    }
    return answer(module);
}

MULTI_PHASE(at_exit_object, EXEC(setup), OWN_GIL)
