/* Class 1, and cured by copies: single-phase in a package. Its module must have its full name as its init function makes
 * it, which the loader tells CPython. */
#include "../../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_impl", .m_size = -1};

PyMODINIT_FUNC PyInit__impl(void) {
    PyObject *module = PyModule_Create(&definition);
    const char *name = module == NULL ? NULL : PyModule_GetName(module);
    if (name != NULL && strcmp(name, "package_context._impl") != 0) {
        PyErr_Format(PyExc_ImportError, "it is called %s", name);
        Py_CLEAR(module);
    }
    return module;
}
