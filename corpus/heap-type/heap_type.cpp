/* Classes 13, 28: declares slot 3 = 2 and keeps a type in a map of C++ on the heap, which only a C static leads to. A type
 * is too large for an arena of its interpreter. The second interpreter makes an object of the first one's type. */
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

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void *>(setup)},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "heap_type", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit_heap_type(void) {
    return PyModuleDef_Init(&definition);
}
