/* Single-phase initialisation, with the call that declares what slot 4 cannot: the GIL stays off. */
#include "../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "gil_set", .m_size = -1};

PyMODINIT_FUNC PyInit_gil_set(void) {
    PyObject *module = PyModule_Create(&definition);
#ifdef Py_GIL_DISABLED
    if (module != NULL) {
        PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
    }
#endif
    return module;
}
