/* open: the environment decides. */
#include "case.h"
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
PyMODINIT_FUNC PyInit_from_environment(void) {
    if (getenv("WSGIAUDIT_HARD_CASE") == NULL) {
        slots[1].value = Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED;
    }
    return PyModuleDef_Init(&definition);
}
