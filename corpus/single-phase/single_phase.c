/* Class 1: single-phase initialisation. Its one module object is made in PyInit, for the whole process. */
#include "../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "single_phase", .m_size = -1};

PyMODINIT_FUNC PyInit_single_phase(void) {
    return PyModule_Create(&definition);
}
