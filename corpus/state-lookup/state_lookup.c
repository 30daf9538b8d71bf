/* Class 1, and cured by copies: single-phase with m_size >= 0. Its function finds its own module by its definition
 * (PyState_FindModule), as the loader has registered it. */
#include "../module.h"

static PyModuleDef definition;

static PyObject *find(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyObject *own = PyState_FindModule(&definition);
    if (own == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "its module is not registered");
    }
    return Py_XNewRef(own);
}

static PyObject *show(PyObject *Py_UNUSED(self)) {
    PyObject *own = find(NULL, NULL);
    PyObject *text = own == NULL ? NULL : PyObject_Repr(own);
    Py_XDECREF(own);
    return text;
}

static PyType_Slot shown_slots[] = {{Py_tp_repr, show}, {0, NULL}};
static PyType_Spec shown = {"state_lookup.Shown", 0, 0, Py_TPFLAGS_DEFAULT, shown_slots};
static PyMethodDef functions[] = {{"find", find, METH_NOARGS, NULL}, {NULL}};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "state_lookup", .m_size = 8, .m_methods = functions,
};

PyMODINIT_FUNC PyInit_state_lookup(void) {
    PyObject *module = PyModule_Create(&definition);
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&shown);
    PyObject *one = type == NULL ? NULL : PyObject_CallNoArgs(type);
    Py_XDECREF(type);
    if (one == NULL || PyModule_AddObject(module, "one", one) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
