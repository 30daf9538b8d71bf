/* Keeps a dictionary of each interpreter in memory of malloc, by the interpreter's number, and uses none in another
 * interpreter. Memory of PyMem_Malloc that the first one has filled is read in all: that is no object. */
#include "../module.h"

struct shelf {
    int64_t interpreter;
    PyObject *orders;
    struct shelf *next;
};

static struct shelf *shelves;
static char *label;

static struct shelf *shelf_of(int64_t interpreter) {
    struct shelf *shelf = shelves;
    while (shelf != NULL && shelf->interpreter != interpreter) {
        shelf = shelf->next;
    }
    return shelf;
}

static int setup(PyObject *module) {
    if (in_main_interpreter()) {
        return 0;
    }
    int64_t here = PyInterpreterState_GetID(PyInterpreterState_Get());
    struct shelf *shelf = shelf_of(here);
    if (shelf == NULL) {
        shelf = calloc(1, sizeof *shelf);
        if (shelf == NULL) {
            return -1;
        }
        *shelf = (struct shelf){here, PyDict_New(), shelves};
        shelves = shelf;
    }
    if (label == NULL) {
        label = PyMem_Malloc(32);
        if (label == NULL) {
            return -1;
        }
        strcpy(label, "orders by interpreter");
    }
    if (shelf->orders == NULL || PyModule_AddStringConstant(module, "label", label) < 0) {
        return -1;
    }
    return PyDict_SetItemString(shelf->orders, "imports", Py_True);
}

MULTI_PHASE(heap_apart, EXEC(setup), OWN_GIL)
