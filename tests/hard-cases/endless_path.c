/* exact: one path goes round for ever, and returns nothing. */
#include "case.h"
#include <unistd.h>

static PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "endless_path", .m_size = 8, .m_slots = slots,
};

PyMODINIT_FUNC PyInit_endless_path(void) {
    if (getppid() == -1) {
        for (;;) {
            pause();
        }
    }
    return PyModuleDef_Init(&definition);
}
