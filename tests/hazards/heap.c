/* Imports PyType_Ready and the interpreter's id, and is clean: its type is on the heap, it declares slot 3 = 2.
 * What it has is memory to write to. */
#include <Python.h>

char counters[4096];

static int setup(PyObject *module) {
    PyType_Slot none[] = {{0, NULL}};
    PyType_Spec spec = {.name = "heap.Type", .basicsize = sizeof(PyObject), .slots = none};
    PyObject *type = PyType_FromSpec(&spec);
    counters[PyInterpreterState_GetID(PyInterpreterState_Get()) & 4095]++;
    return type == NULL || PyType_Ready((PyTypeObject *)type) < 0 ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, setup}, {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED}, {0, NULL},
};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "heap", .m_size = 0, .m_slots = slots};

PyMODINIT_FUNC PyInit_heap(void) {
    return PyModuleDef_Init(&definition);
}
