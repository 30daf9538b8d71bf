/* Class 6: "cannot load module more than once per process", numpy's way: slot 3 = 0, and a static flag. */
#include "../module.h"

static int loaded = 0;

static int setup(PyObject *Py_UNUSED(module)) {
    if (loaded) {
        PyErr_SetString(PyExc_ImportError, "cannot load module more than once per process");
        return -1;
    }
    loaded = 1;
    return 0;
}

MULTI_PHASE(once_per_process, EXEC(setup), NO_SUBINTERPRETERS)
