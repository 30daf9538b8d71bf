/* exact: the definition of a submodule is made first. */
#include "case.h"
static PyModuleDef_Slot below[] = {{Py_mod_exec, run}, MULTIPLE(0), {0, NULL}};
static PyModuleDef other = {PyModuleDef_HEAD_INIT, .m_name = "below", .m_size = 8, .m_slots = below};
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
PyMODINIT_FUNC PyInit_submodule_first(void) {
    if (PyModuleDef_Init(&other) == NULL) {
        return NULL;
    }
    return PyModuleDef_Init(&definition);
}
