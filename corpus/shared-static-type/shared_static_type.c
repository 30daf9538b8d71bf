/* Declares slot 3 = 2 and has a static type. Python cannot change the type, but its dictionary and its methods
 * are objects of the interpreter that readied it, and their reference counts have no GIL in common. */
#include "../module.h"

static PyObject *length(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    (void)self;
    return PyLong_FromLong(0);
}

static PyMethodDef methods[] = {{"length", length, METH_NOARGS, NULL}, {NULL}};

static PyTypeObject Point = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "shared_static_type.Point",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_methods = methods,
};

static int setup(PyObject *module) {
    return PyModule_AddType(module, &Point);
}

MULTI_PHASE(shared_static_type, EXEC(setup), OWN_GIL)
