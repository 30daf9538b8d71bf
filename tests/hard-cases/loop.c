/* exact: a loop copies the slots and leaves one out. */
#include "case.h"
static const PyModuleDef_Slot source[] = {
    {Py_mod_exec, run}, MULTIPLE(0), MULTIPLE(2), {0, NULL},
};
static PyModuleDef_Slot slots[4];
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
PyMODINIT_FUNC PyInit_loop(void) {
    int to = 0;
    for (int from = 0; source[from].slot != 0; from++) {
        if (source[from].slot == Py_mod_multiple_interpreters && source[from].value == (void *)0) {
            continue;
        }
        slots[to++] = source[from];
    }
    return PyModuleDef_Init(&definition);
}
