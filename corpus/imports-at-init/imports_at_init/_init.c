/* Class 6: single-phase, and its init function imports what can be loaded once in a process, as bottleneck imports numpy.
 * CPython runs it in the main interpreter (3.13), prints what it raises there, and raises something else. */
#include "../../module.h"

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_init", .m_size = -1};

PyMODINIT_FUNC PyInit__init(void) {
    PyObject *needed = PyImport_ImportModule("once_per_process");
    if (needed == NULL) {
        return NULL;
    }
    Py_DECREF(needed);
    return PyModule_Create(&definition);
}
