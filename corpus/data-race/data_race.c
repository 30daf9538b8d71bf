/* A lie: declares that it needs no GIL, and keeps a count that threads change at the same time. */
#include "../module.h"

static volatile int owners;

/* With a GIL there is never more than one thread in here. What two would do to memory is left to crash(). */
static PyObject *look(PyObject *self) {
    for (int round = 0; round < 500000; round++) {
        owners += 1;
        if (owners != 1) {
            crash();
        }
        owners -= 1;
    }
    return PyUnicode_FromFormat("<racer at %p>", (void *)self);
}

static PyType_Slot racer_slots[] = {{Py_tp_repr, look}, {0, NULL}};
static PyType_Spec racer = {"racer", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT, racer_slots};

static int setup(PyObject *module) {
    PyObject *type = PyType_FromSpec(&racer);
    if (type == NULL) {
        return -1;
    }
    PyObject *one = PyObject_CallNoArgs(type);
    Py_DECREF(type);
    int added = one == NULL ? -1 : PyModule_AddObjectRef(module, "one", one);
    Py_XDECREF(one);
    return added;
}

MULTI_PHASE(data_race, EXEC(setup), SHARED_GIL)
