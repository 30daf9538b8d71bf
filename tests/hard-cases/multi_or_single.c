/* exact: the running version decides between multi-phase and single-phase initialisation. */
#include "case.h"
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
static PyModuleDef single = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = -1};
extern const unsigned long Py_Version;
PyMODINIT_FUNC PyInit_multi_or_single(void) {
    if (Py_Version >= 0x030c0000) {
        return PyModuleDef_Init(&definition);
    }
    return PyModule_Create(&single);
}
