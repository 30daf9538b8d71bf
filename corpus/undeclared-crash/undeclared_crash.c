/* Class 2, and rightly so: it declares nothing, and cannot stand a second interpreter. */
#include "../module.h"

static int setup(PyObject *module) {
    static PyObject *first;
    if (first == NULL) {
        first = module;
    } else if (first != module) {
        crash();
    }
    return 0;
}

MULTI_PHASE(undeclared_crash, EXEC(setup))
