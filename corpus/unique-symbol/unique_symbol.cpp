// Class 13, and cured by copies: an inline static of C++ (STB_GNU_UNIQUE), which is one for the whole process even among
// copies of a file, keeps a list.
#include "../module.h"

struct __attribute__((visibility("default"))) UniqueShelf {
    static inline PyObject *orders = nullptr;
};

static int setup(PyObject *module) {
    if (UniqueShelf::orders == nullptr) {
        UniqueShelf::orders = PyList_New(0);
    }
    return UniqueShelf::orders == nullptr ? -1 : PyModule_AddObjectRef(module, "orders", UniqueShelf::orders);
}

MULTI_PHASE(unique_symbol, EXEC(setup), OWN_GIL)
