/* open: a callee that is too long to follow writes through a global. */
#include "case.h"
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef_Slot *volatile where = slots;
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
FAR static void edit(void) {
    if (long_work()) {
        where[1].value = Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED;
    }
}
PyMODINIT_FUNC PyInit_callee_global(void) {
    edit();
    return PyModuleDef_Init(&definition);
}
