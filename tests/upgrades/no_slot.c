// A later version of the corpus case no-slot: with -DDECLARES it declares support for an own GIL.
#include <Python.h>

static PyModuleDef_Slot slots[] = {
#ifdef DECLARES
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "no_slot", .m_size = 0, .m_slots = slots,
};

PyMODINIT_FUNC PyInit_no_slot(void) { return PyModuleDef_Init(&definition); }
