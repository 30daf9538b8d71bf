/* open: a constructor that is too long to follow edits the slots. */
#include "case.h"
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
__attribute__((constructor)) static void edit(void) {
    if (long_work()) {
        slots[1].value = Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED;
    }
}
PyMODINIT_FUNC PyInit_far_constructor(void) { return PyModuleDef_Init(&definition); }
