/* Classes 13, 28: declares slot 3 = 2 and looks at a dictionary that only a C static keeps. No Python
 * object leads there, so nothing that either interpreter can reach is shared. */
#include "../module.h"

static PyObject *notes;

static int setup(PyObject *Py_UNUSED(module)) {
    if (notes == NULL) {
        notes = Py_BuildValue("{si}", "imports", 1);
    }
    return notes == NULL || PyDict_GetItemString(notes, "imports") == NULL ? -1 : 0;
}

MULTI_PHASE(kept_object, EXEC(setup), OWN_GIL)
