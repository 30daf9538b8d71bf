/* Class 5: the module itself refuses a second interpreter, in Cython's way and words: in Py_mod_create. */
#include "../module.h"

static PyObject *create(PyObject *spec, PyModuleDef *Py_UNUSED(definition)) {
    if (!in_first_interpreter()) {
        PyErr_SetString(
            PyExc_ImportError,
            "Interpreter change detected - this module can only be loaded into one interpreter per process.");
        return NULL;
    }
    PyObject *name = PyObject_GetAttrString(spec, "name");
    PyObject *module = name == NULL ? NULL : PyModule_NewObject(name);
    Py_XDECREF(name);
    return module;
}

MULTI_PHASE(guard_cython, {Py_mod_create, create})
