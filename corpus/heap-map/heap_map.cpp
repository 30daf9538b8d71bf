/* Classes 13, 28: declares slot 3 = 2 and keeps a dictionary in a map of C++ on the heap, which only a C static leads
 * to. The second interpreter writes into the first one's dictionary. */
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
        for (int each = 0; each < 100; each++) {
            (*kept)["empty " + std::to_string(each)] = nullptr;
        }
    }
    PyObject *&notes = (*kept)["notes"];
    if (notes == nullptr) {
        notes = PyDict_New();
        return notes == nullptr ? -1 : 0;
    }
    return PyDict_SetItemString(notes, "more", Py_True);
}

MULTI_PHASE(heap_map, EXEC(setup), OWN_GIL)
