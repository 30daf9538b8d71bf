/* Class 13, and cured by copies: finds what its sibling has left in their library. They need one copy of it for both in each
 * interpreter, and another one in the next.
 *
 * links with: siblings_share_library.libs/libsiblings-1a2b3c4d.so.1
 * runpath: $ORIGIN/../siblings_share_library.libs */
#include "../../module.h"

extern PyObject *libsiblings_kept;

static PyObject *owner(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return Py_XNewRef(PyDict_GetItemString(libsiblings_kept, "interpreter"));
}

static PyMethodDef functions[] = {{"owner", owner, METH_NOARGS, NULL}, {NULL}};

static int setup(PyObject *module) {
    if (libsiblings_kept == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "its sibling has another library");
        return -1;
    }
    if (PyModule_AddObjectRef(module, "kept", libsiblings_kept) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}

MULTI_PHASE(_reader, EXEC(setup), OWN_GIL)
