// One of two modules with the same inline static of C++ (STB_GNU_UNIQUE), which is one for both.
#include "../../module.h"

struct __attribute__((visibility("default"))) SiblingsRegistry {
    static inline PyObject *entries = nullptr;
};

static int setup(PyObject *) {
    SiblingsRegistry::entries = Py_BuildValue("[i]", 42);
    return SiblingsRegistry::entries == nullptr ? -1 : 0;
}

MULTI_PHASE(_writer, EXEC(setup), OWN_GIL)
