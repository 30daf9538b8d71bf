/* Class 13, and cured by copies: two init functions in one file, whose modules have a C static in common. */
#include "../../module.h"

static PyObject *kept;

static int setup(PyObject *module) {
    if (kept == NULL && (kept = PyList_New(0)) == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "kept", kept);
}

MULTI_PHASE(_first, EXEC(setup), OWN_GIL)

static PyModuleDef second = {PyModuleDef_HEAD_INIT, .m_name = "_second", .m_size = 0, .m_slots = slots};

PyMODINIT_FUNC PyInit__second(void) {
    return PyModuleDef_Init(&second);
}
