/* Well-behaved, built against the limited API: one file for every CPython from 3.12 on. */
#define Py_LIMITED_API 0x030c0000
#include "../module.h"

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

MULTI_PHASE(limited_api, EXEC(setup), OWN_GIL)
