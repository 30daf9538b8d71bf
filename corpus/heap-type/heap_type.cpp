/* Classes 13, 28: declares slot 3 = 2 and keeps a type in a map of C++ on the heap, which only a C static leads to. A type
 * is too large for an arena of its interpreter. The second interpreter makes an object of the first one's type. */
#include "../module.h"

#include <string>
#include <unordered_map>

static std::unordered_map<std::string, PyObject *> *kept;

static int setup(PyObject *) {
    if (in_main_interpreter()) {
        return 0;
    }
    if (kept == nullptr) {
        kept = new std::unordered_map<std::string, PyObject *>;
    }
    PyObject *&order = (*kept)["Order"];
    if (order == nullptr) {
        order = PyObject_CallFunction(reinterpret_cast<PyObject *>(&PyType_Type), "s(){}", "Order");
        return order == nullptr ? -1 : 0;
    }
    PyObject *made = PyObject_CallNoArgs(order);
    Py_XDECREF(made);
    return made == nullptr ? -1 : 0;
}

MULTI_PHASE(heap_type, EXEC(setup), OWN_GIL)
