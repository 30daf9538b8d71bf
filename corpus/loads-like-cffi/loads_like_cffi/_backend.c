/* Classes 13, 39: opens whatever library its package names, as cffi's backend does under another name. */
#include "../../beside.h"

static PyObject *load(PyObject *Py_UNUSED(module), PyObject *path) {
    const char *text = PyUnicode_AsUTF8(path);
    void *library = text == NULL ? NULL : open_library(text, RTLD_NOW);
    if (library == NULL || count_in(symbol_of(library, "libffi_user_kept")) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {{"load_library", load, METH_O, NULL}, {NULL}};

static int setup(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}

MULTI_PHASE(_backend, EXEC(setup), OWN_GIL)
