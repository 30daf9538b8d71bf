// One of two modules with the same inline static of C++ (STB_GNU_UNIQUE), which is one for both.
#include <Python.h>

struct __attribute__((visibility("default"))) SiblingsRegistry {
    static inline PyObject *entries = nullptr;
};

static int setup(PyObject *) {
    SiblingsRegistry::entries = Py_BuildValue("[i]", 42);
    return SiblingsRegistry::entries == nullptr ? -1 : 0;
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
    PyModuleDef_HEAD_INIT, "_writer", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit__writer(void) { return PyModuleDef_Init(&definition); }
