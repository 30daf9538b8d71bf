/* Class 13: keeps a list that belongs to the module that it made first, without a reference of its own. With that
 * module's interpreter the list goes, and what lies there then depends on who got the memory. */
#include "../module.h"

static PyObject *names;

static int setup(PyObject *module) {
    if (names == NULL) {
        names = PyList_New(0);
        if (names == NULL || PyModule_AddObject(module, "names", names) < 0) {
            return -1;
        }
    }
    return PyList_Append(names, Py_None);
}

MULTI_PHASE(outlived_object, EXEC(setup))
