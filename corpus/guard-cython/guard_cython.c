/* Class 5: the module itself refuses a second interpreter, in Cython's way and words: in Py_mod_create. */
#include "../module.h"

static int64_t first_interpreter = -1;

static PyObject *create(PyObject *spec, PyModuleDef *Py_UNUSED(definition)) {
    int64_t interpreter = PyInterpreterState_GetID(PyInterpreterState_Get());
    if (first_interpreter == -1) {
        first_interpreter = interpreter;
    } else if (interpreter != first_interpreter) {
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
