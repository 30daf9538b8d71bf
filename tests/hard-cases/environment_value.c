/* open: the value itself comes from outside. */
#include "case.h"
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
PyMODINIT_FUNC PyInit_environment_value(void) {
    const char *value = getenv("WSGIAUDIT_HARD_CASE");
    slots[1].value = (void *)(value == NULL ? (size_t)0 : (size_t)atoi(value));
    return PyModuleDef_Init(&definition);
}
