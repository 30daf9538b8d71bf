/* Classes 13, 28: declares slot 3 = 2 and keeps a list in memory of malloc, which only a C static leads to. The second
 * interpreter reads the first one's list. */
#include "../module.h"

struct shelf {
    char label[24];
    PyObject *orders;
};

static struct shelf *shelf;

static int setup(PyObject *Py_UNUSED(module)) {
    if (in_main_interpreter()) {
        return 0;
    }
    if (shelf == NULL) {
        shelf = calloc(1, sizeof *shelf);
        if (shelf == NULL) {
            return -1;
        }
        shelf->orders = Py_BuildValue("[i]", 1);
        return shelf->orders == NULL ? -1 : 0;
    }
    return PyList_GetItem(shelf->orders, 0) == NULL ? -1 : 0;
}

MULTI_PHASE(heap_struct, EXEC(setup), OWN_GIL)
