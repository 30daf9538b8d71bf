/* exact: the one that fills the slots in is called through a table. */
#include "case.h"
static PyModuleDef_Slot slots[3];
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
static void none(void) {}
static void own(void) {
    slots[0] = (PyModuleDef_Slot){Py_mod_exec, run};
    slots[1] = (PyModuleDef_Slot)MULTIPLE(2);
}
static void (*const fillers[])(void) = {none, own};
PyMODINIT_FUNC PyInit_function_pointer(void) {
    for (size_t index = 0; index < 2; index++) {
        fillers[index]();
    }
    return PyModuleDef_Init(&definition);
}
