// Classes 13, 42: finds in the inline static that it has in common with its sibling what that put there. Made an ordinary
// symbol of each copy, it is no longer one for both.
#include "../../module.h"

struct __attribute__((visibility("default"))) SiblingsRegistry {
    static inline PyObject *entries = nullptr;
};

static int setup(PyObject *module) {
    if (SiblingsRegistry::entries == nullptr) {
        PyErr_SetString(PyExc_RuntimeError, "the registry is empty");
        return -1;
    }
    return PyModule_AddObjectRef(module, "entries", SiblingsRegistry::entries);
}

MULTI_PHASE(_reader, EXEC(setup), OWN_GIL)
