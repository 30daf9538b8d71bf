/* Classes 13, 41: exports a place for an object and uses it itself. Where it is known to all, even the second copy's own
 * use of its own symbol leads to the first copy. */
#include "../../beside.h"

PyObject *interposed_symbol_kept;

static int setup(PyObject *Py_UNUSED(module)) {
    return count_in(&interposed_symbol_kept);
}

MULTI_PHASE(_core, EXEC(setup), OWN_GIL)
