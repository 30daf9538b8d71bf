// Classes 13, 42: finds in the inline static that it has in common with its sibling what that put there. Made an ordinary
// symbol of each copy, it is no longer one for both.
#include <Python.h>

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

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void *>(setup)},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_reader", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit__reader(void) { return PyModuleDef_Init(&definition); }
