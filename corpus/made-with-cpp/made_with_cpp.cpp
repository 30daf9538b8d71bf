// Classes 13, 28: a container that C++ keeps in a function, and in it objects of the interpreter that came first.
#include "../module.h"

#include <map>
#include <string>

static std::map<std::string, PyObject *> &cache() {
    static std::map<std::string, PyObject *> all;
    return all;
}

static int setup(PyObject *module) {
    PyObject *&orders = cache()["orders"];
    if (orders == nullptr) {
        orders = PyList_New(0);
    }
    return orders == nullptr ? -1 : PyModule_AddObjectRef(module, "orders", orders);
}

MULTI_PHASE(made_with_cpp, EXEC(setup), OWN_GIL)
