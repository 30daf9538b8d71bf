/* Class 40: makes its own symbols known to all, by the file that it was imported from, as what has plug-ins of its own
 * does. A private copy is not that file: it is not loaded. */
#include "../beside.h"

static int setup(PyObject *module) {
    PyObject *file = PyModule_GetFilenameObject(module);
    const char *text = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    int is_loaded = text != NULL && dlopen(text, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) != NULL;
    Py_XDECREF(file);
    if (!is_loaded && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ImportError, "promotes_itself is not loaded");
    }
    return is_loaded ? 0 : -1;
}

MULTI_PHASE(promotes_itself, EXEC(setup), OWN_GIL)
