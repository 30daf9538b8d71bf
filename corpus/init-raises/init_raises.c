/* Class 9: PyInit raises, everywhere. */
#include "../module.h"

PyMODINIT_FUNC PyInit_init_raises(void) {
    PyErr_SetString(PyExc_RuntimeError, "init_raises never initialises");
    return NULL;
}
