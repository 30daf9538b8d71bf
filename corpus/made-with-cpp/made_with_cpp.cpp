// Classes 13, 28: a container that C++ keeps in a function, and in it objects of the interpreter that came first.
#include <Python.h>

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

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void *>(setup)},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "made_with_cpp", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit_made_with_cpp(void) { return PyModuleDef_Init(&definition); }
