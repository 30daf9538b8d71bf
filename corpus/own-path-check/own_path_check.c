/* Class 40: refuses to run from another file than the one that it was imported from, as licensed software does. */
#include "../beside.h"

#include <stdlib.h>

static int setup(PyObject *module) {
    char loaded[PATH_SIZE], imported[PATH_SIZE];
    PyObject *file = PyModule_GetFilenameObject(module);
    const char *text = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    int is_same = text != NULL && realpath(text, imported) != NULL
        && realpath(loaded_from((void *)setup), loaded) != NULL && strcmp(loaded, imported) == 0;
    Py_XDECREF(file);
    if (!is_same && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ImportError, "own_path_check runs from where it is installed only");
    }
    return is_same ? 0 : -1;
}

MULTI_PHASE(own_path_check, EXEC(setup), OWN_GIL)
