/* Declares slot 3 = 2 and gives every interpreter the same dictionary, kept in a static. It never crashes by
 * itself: two threads that use the dictionary at once do, some day. */
#include "../module.h"

static PyObject *cache;

static int setup(PyObject *module) {
    if (cache == NULL && (cache = PyDict_New()) == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "cache", cache);
}

MULTI_PHASE(shared_dict, EXEC(setup), OWN_GIL)
