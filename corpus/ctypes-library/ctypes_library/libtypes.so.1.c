/* A library that is called with the GIL held, and keeps a list. */
#include <Python.h>

PyObject *libtypes_count(void);

static PyObject *kept;

PyObject *libtypes_count(void) {
    if (kept == NULL && (kept = PyList_New(0)) == NULL) {
        return NULL;
    }
    return PyList_Append(kept, Py_None) < 0 ? NULL : PyLong_FromSsize_t(PyList_Size(kept));
}
