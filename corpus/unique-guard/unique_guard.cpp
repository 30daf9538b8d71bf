// Class 6, and cured by copies: "more than once per process", counted in an inline static of C++ (STB_GNU_UNIQUE).
#include <Python.h>

struct __attribute__((visibility("default"))) UniqueGuard {
    static inline int imports = 0;
};

static int setup(PyObject *) {
    if (UniqueGuard::imports++ > 0) {
        PyErr_SetString(PyExc_ImportError, "cannot load module more than once per process");
        return -1;
    }
    return 0;
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
    PyModuleDef_HEAD_INIT, "unique_guard", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit_unique_guard(void) { return PyModuleDef_Init(&definition); }
