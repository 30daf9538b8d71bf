/* Class 8: the init function does more than making the module. CPython 3.13 and later run it in the main interpreter
   before they refuse the module elsewhere, and what it did stays there. */
#include "../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "init_side_effects", .m_size = -1};

PyMODINIT_FUNC PyInit_init_side_effects(void) {
    if (PySys_SetObject("init_side_effects_was_here", Py_True) < 0) return NULL;
    return PyModule_Create(&definition);
}
