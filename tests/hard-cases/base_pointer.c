/* open: a constructor that is too long to follow gives a structure away, and a word inside it is what decides. */
#include "case.h"
static PyModuleDef_Slot one[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef_Slot other[] = {{Py_mod_exec, run}, MULTIPLE(0), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = one};
static struct settings {
    long before[4], is_other;
} settings;
FAR static void set(struct settings *settings) {
    settings->is_other = settings->before[1] = long_work();
}
__attribute__((constructor)) static void fill(void) { set(&settings); }
PyMODINIT_FUNC PyInit_base_pointer(void) {
    if (settings.is_other) {
        definition.m_slots = other;
    }
    return PyModuleDef_Init(&definition);
}
