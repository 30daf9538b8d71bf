/* Declares slot 3 = 2 and gives every interpreter the same string. No code can change its value, but its
 * reference count has two GILs to guard it, which is none. */
#include "../module.h"

static PyObject *greeting;

static int setup(PyObject *module) {
    if (greeting == NULL && (greeting = PyUnicode_FromFormat("hello from %d", 42)) == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "greeting", greeting);
}

MULTI_PHASE(shared_string, EXEC(setup), OWN_GIL)
