/* Class 2: as it is executed, it makes the symbols of a library beside it known to all that is loaded later. */
#define _GNU_SOURCE
#include "../../module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int setup(PyObject *Py_UNUSED(module)) {
    Dl_info here;
    char path[4096];
    char *name = dladdr((void *)setup, &here) == 0 ? NULL : strrchr(here.dli_fname, '/');
    if (name == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "it has no file");
        return -1;
    }
    name += strlen("/_core");
    int size = snprintf(path, sizeof path, "%.*s_library%s", (int)(name - here.dli_fname - strlen("_core")), here.dli_fname, name);
    if (size >= (int)sizeof path || dlopen(path, RTLD_NOW | RTLD_GLOBAL) == NULL) {
        PyErr_SetString(PyExc_RuntimeError, dlerror());
        return -1;
    }
    return 0;
}

MULTI_PHASE(_core, EXEC(setup))
