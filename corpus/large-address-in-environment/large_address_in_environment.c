/* Classes 13, 43: as address-in-environment, with a type: an object too large for the interpreter's arenas. */
#include "../module.h"
#include <stdlib.h>
#include <stdio.h>

#define VARIABLE "CORPUS_LARGE_ADDRESS_IN_ENVIRONMENT"

static PyType_Slot parts[] = {{0, NULL}};
static PyType_Spec till = {.name = "large_address_in_environment.Till", .flags = Py_TPFLAGS_DEFAULT, .slots = parts};

static int setup(PyObject *Py_UNUSED(module)) {
    const char *told = getenv(VARIABLE);
    if (in_main_interpreter()) {
        return 0;
    }
    if (told == NULL) {
        char address[32];
        PyObject *type = PyType_FromSpec(&till);
        snprintf(address, sizeof address, "%llx", (unsigned long long)type);
        return type == NULL ? -1 : setenv(VARIABLE, address, 1);
    }
    PyObject *one = PyObject_CallNoArgs((PyObject *)strtoull(told, NULL, 16));
    Py_XDECREF(one);
    return one == NULL ? -1 : 0;
}

MULTI_PHASE(large_address_in_environment, EXEC(setup), OWN_GIL)
