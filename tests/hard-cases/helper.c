/* exact: a helper fills the slots in. */
#include "case.h"
static PyModuleDef_Slot slots[3];
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
FAR static void fill(PyModuleDef_Slot *at, int id, void *value) {
    at->slot = id;
    at->value = value;
}
PyMODINIT_FUNC PyInit_helper(void) {
    fill(&slots[0], Py_mod_exec, run);
    fill(&slots[1], Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED);
    return PyModuleDef_Init(&definition);
}
