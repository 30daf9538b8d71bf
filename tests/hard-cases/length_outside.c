/* open: how many slots are copied is told by nothing in the file. */
#include "case.h"
static const PyModuleDef_Slot source[] = {MULTIPLE(2), {Py_mod_exec, run}, {0, NULL}};
static PyModuleDef_Slot slots[4];
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
PyMODINIT_FUNC PyInit_length_outside(void) {
    memcpy(slots, source, getenv("WSGIAUDIT_HARD_CASE") ? sizeof slots[0] : sizeof source);
    return PyModuleDef_Init(&definition);
}
