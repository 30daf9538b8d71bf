/* Class 7: refused, and yet memory is corrupted. On 3.12 its init function runs in the interpreter that imports it, before it
 * is refused; what it keeps in C then points into an interpreter that ends, and the next import uses that. */
#include "../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "refused_and_keeps", .m_size = -1};

static PyObject *orders;

PyMODINIT_FUNC PyInit_refused_and_keeps(void) {
    if (orders == NULL) {
        orders = PyList_New(0);
    }
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (orders == NULL || PyModule_AddObjectRef(module, "orders", orders) < 0)) {
        Py_CLEAR(module);
    }
    return module;
}
