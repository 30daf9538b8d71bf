/* Every hazard that one definition can have. */
#include <Python.h>

static PyTypeObject plain = {
    PyVarObject_HEAD_INIT(NULL, 0) .tp_name = "shown.Plain", .tp_basicsize = sizeof(PyObject),
};
static PyModuleDef definition;

static int setup(PyObject *module) {
    PyGILState_STATE state = PyGILState_Ensure();
    int64_t here = PyInterpreterState_GetID(PyInterpreterState_Get());
    PyGILState_Release(state);
    return here == 0 && PyState_FindModule(&definition) == NULL ? PyType_Ready(&plain) : PyModule_AddType(module, &plain);
}

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "shown", .m_size = -1};

PyMODINIT_FUNC PyInit_shown(void) {
    PyObject *module = PyModule_Create(&definition);
    return module != NULL && setup(module) < 0 ? NULL : module;
}
