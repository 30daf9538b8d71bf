/* Well-behaved, but its slots are written when the init function runs, as pybind11 does:
 * the array is empty in the file, so reading it there would say "no slot 3". */
#include "../module.h"

static PyModuleDef_Slot slots[4];
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "runtime_slots", .m_size = 0, .m_slots = slots,
};

PyMODINIT_FUNC PyInit_runtime_slots(void) {
    int next = 0;
    slots[next++] = (PyModuleDef_Slot)EXEC(answer);
    slots[next++] = (PyModuleDef_Slot)OWN_GIL;
#ifdef Py_MOD_GIL_NOT_USED
    slots[next++] = (PyModuleDef_Slot){Py_mod_gil, Py_MOD_GIL_NOT_USED};
#endif
    slots[next] = (PyModuleDef_Slot){0, NULL};
    return PyModuleDef_Init(&definition);
}
