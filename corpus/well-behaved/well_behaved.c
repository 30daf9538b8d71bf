/* Well-behaved: multi-phase initialisation, slot 3 = 2, and everything it makes lives in module state:
 * a type, a counter, nothing static that Python could reach. */
#include "../module.h"

typedef struct {
    PyObject *tally_type;
    long calls;
} State;

static PyType_Slot tally_slots[] = {{Py_tp_doc, "Counts nothing, but belongs to one interpreter."}, {0, NULL}};
static PyType_Spec tally_spec = {
    .name = "well_behaved.Tally", .basicsize = sizeof(PyObject), .flags = Py_TPFLAGS_DEFAULT, .slots = tally_slots,
};

static int setup(PyObject *module) {
    State *state = PyModule_GetState(module);
    state->tally_type = PyType_FromModuleAndSpec(module, &tally_spec, NULL);
    if (state->tally_type == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "Tally", state->tally_type);
}

static PyObject *count(PyObject *module, PyObject *Py_UNUSED(ignored)) {
    State *state = PyModule_GetState(module);
    return PyLong_FromLong(++state->calls);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    State *state = PyModule_GetState(module);
    Py_VISIT(state->tally_type);
    return 0;
}

static int clear(PyObject *module) {
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->tally_type);
    return 0;
}

static void release(void *module) {
    clear(module);
}

static PyMethodDef methods[] = {{"count", count, METH_NOARGS, "How often this was called here."}, {NULL}};
static PyModuleDef_Slot slots[] = {EXEC(setup), OWN_GIL, LAST_SLOTS};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "well_behaved",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC PyInit_well_behaved(void) {
    return PyModuleDef_Init(&definition);
}
