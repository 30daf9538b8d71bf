/* open: a callee that is too long to follow gives the definition other slots. */
#include "case.h"
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef_Slot others[] = {{Py_mod_exec, run}, {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
FAR static void edit(PyModuleDef *given) {
    if (long_work()) {
        given->m_slots = others;
    }
}
PyMODINIT_FUNC PyInit_callee_definition(void) {
    edit(&definition);
    return PyModuleDef_Init(&definition);
}
