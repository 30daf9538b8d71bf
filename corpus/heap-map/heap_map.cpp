/* Classes 13, 28: declares slot 3 = 2 and keeps a dictionary in a map of C++ on the heap, which only a C static leads
 * to. The second interpreter writes into the first one's dictionary. */
#include <Python.h>

#include <string>
#include <unordered_map>

static std::unordered_map<std::string, PyObject *> *kept;

static int setup(PyObject *) {
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
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

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void *>(setup)},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "heap_map", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit_heap_map(void) {
    return PyModuleDef_Init(&definition);
}
