/* Class 20: imports well, and crashes when an interpreter other than the main one ends. */
#include "../module.h"

static void release(void *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        crash();
    }
}

static PyModuleDef_Slot slots[] = {OWN_GIL, LAST_SLOTS};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "crash_at_teardown", .m_size = 0, .m_slots = slots, .m_free = release,
};

PyMODINIT_FUNC PyInit_crash_at_teardown(void) {
    return PyModuleDef_Init(&definition);
}
