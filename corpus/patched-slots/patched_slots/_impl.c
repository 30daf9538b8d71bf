/* Declares an own GIL in its file, and something else when it runs: `_editor` writes into its slots. */
#include "../../module.h"

PyModuleDef_Slot patched_slots[] = {EXEC(answer), OWN_GIL, LAST_SLOTS};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_impl", .m_size = 0, .m_slots = patched_slots,
};
PyMODINIT_FUNC PyInit__impl(void) { return PyModuleDef_Init(&definition); }
