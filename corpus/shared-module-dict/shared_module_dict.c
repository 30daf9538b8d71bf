/* Class 12: single-phase initialisation with m_size -1. CPython copies its dictionary into the module of every later
 * interpreter: all of them have the same list. */
#include "../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "shared_module_dict", .m_size = -1};

PyMODINIT_FUNC PyInit_shared_module_dict(void) {
    PyObject *module = PyModule_Create(&definition);
    PyObject *cache = PyList_New(0);
    if (module == NULL || cache == NULL || PyModule_AddObjectRef(module, "cache", cache) < 0) {
        return NULL;
    }
    Py_DECREF(cache);
    return module;
}
