/* never wrong: a function that makes the module is called once another module is made. */
#include "case.h"

static PyModuleDef inner = {PyModuleDef_HEAD_INIT, .m_name = "inner", .m_size = 16};
static PyModuleDef outer = {PyModuleDef_HEAD_INIT, .m_name = "single_after_another", .m_size = 32};

static PyObject *made;

__attribute__((noinline)) static int replace(PyObject **module) {
    Py_CLEAR(*module);
    *module = PyModule_Create(&outer);
    return *module == NULL ? -1 : 0;
}

PyMODINIT_FUNC PyInit_single_after_another(void) {
    made = PyModule_Create(&inner);
    if (made == NULL || replace(&made) < 0) {
        return NULL;
    }
    return made;
}
