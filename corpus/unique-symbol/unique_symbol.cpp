// Class 13, and cured by copies: an inline static of C++ (STB_GNU_UNIQUE), which is one for the whole process even among
// copies of a file, keeps a list.
#include <Python.h>

struct __attribute__((visibility("default"))) UniqueShelf {
    static inline PyObject *orders = nullptr;
};

static int setup(PyObject *module) {
    if (UniqueShelf::orders == nullptr) {
        UniqueShelf::orders = PyList_New(0);
    }
    return UniqueShelf::orders == nullptr ? -1 : PyModule_AddObjectRef(module, "orders", UniqueShelf::orders);
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
    PyModuleDef_HEAD_INIT, "unique_symbol", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit_unique_symbol(void) { return PyModuleDef_Init(&definition); }
