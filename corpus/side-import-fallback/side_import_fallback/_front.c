/* Single-phase: imports another extension module in its init function, as pygit2 and isal do. That import does not recur
 * in other interpreters, and nothing is lost: what it took is in its copied dictionary. */
#include "../../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_front", .m_size = -1};

PyMODINIT_FUNC PyInit__front(void) {
    PyObject *module = PyModule_Create(&definition);
    PyObject *back = module == NULL ? NULL : PyImport_ImportModule("side_import_fallback._back");
    PyObject *answer = back == NULL ? NULL : PyObject_GetAttrString(back, "answer");
    Py_XDECREF(back);
    if (answer == NULL || PyModule_AddObject(module, "answer", answer) < 0) {
        return NULL;
    }
    return module;
}
