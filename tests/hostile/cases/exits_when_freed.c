/* Ends the process well when a sub-interpreter frees the module. */
#include "module.h"
#include <unistd.h>

struct state {
    int is_sub;
};

static int setup(PyObject *module) {
    ((struct state *)PyModule_GetState(module))->is_sub = !in_main_interpreter();
    return 0;
}

static void free_module(void *module) {
    struct state *state = PyModule_GetState(module);
    if (state != NULL && state->is_sub) {
        _exit(0);
    }
}

static PyModuleDef_Slot slots[] = {EXEC(setup), OWN_GIL, LAST_SLOTS};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "exits_when_freed",
    .m_size = sizeof(struct state),
    .m_slots = slots,
    .m_free = free_module,
};

PyMODINIT_FUNC PyInit_exits_when_freed(void) {
    return PyModuleDef_Init(&definition);
}
