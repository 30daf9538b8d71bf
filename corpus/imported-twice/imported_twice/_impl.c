/* Class 1, and cured by copies: single-phase with m_size -1, imported twice in one interpreter. Its init function cannot run
 * twice. */
#include "../../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_impl", .m_size = -1};
static PyObject *things;

PyMODINIT_FUNC PyInit__impl(void) {
    if (things != NULL) {
        PyErr_SetString(PyExc_ImportError, "it was initialised before");
        return NULL;
    }
    PyObject *module = PyModule_Create(&definition);
    things = module == NULL ? NULL : PyList_New(0);
    if (things == NULL || PyModule_AddObjectRef(module, "things", things) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
