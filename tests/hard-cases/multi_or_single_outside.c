/* open: the environment decides between multi-phase and single-phase initialisation. */
#include "case.h"
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
static PyModuleDef single = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = -1};
PyMODINIT_FUNC PyInit_multi_or_single_outside(void) {
    return getenv("WSGIAUDIT_HARD_CASE") ? PyModuleDef_Init(&definition) : PyModule_Create(&single);
}
