// Class 6, and cured by copies: "more than once per process", counted in an inline static of C++ (STB_GNU_UNIQUE).
#include "../module.h"

struct __attribute__((visibility("default"))) UniqueGuard {
    static inline int imports = 0;
};

static int setup(PyObject *) {
    if (UniqueGuard::imports++ > 0) {
        PyErr_SetString(PyExc_ImportError, "cannot load module more than once per process");
        return -1;
    }
    return 0;
}

MULTI_PHASE(unique_guard, EXEC(setup), OWN_GIL)
