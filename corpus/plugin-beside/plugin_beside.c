/* Classes 13, 40: opens the plug-in beside it, where the dynamic linker says that it lies. Beside a private copy lies a
 * private copy of the plug-in, or nothing. */
#include "../beside.h"

static int setup(PyObject *Py_UNUSED(module)) {
    char path[PATH_SIZE];
    if (path_beside(path, loaded_from((void *)setup), "plugin_beside.libs/codec.so") < 0) {
        PyErr_SetString(PyExc_RuntimeError, "it has no file");
        return -1;
    }
    return count_in(symbol_of(open_library(path, RTLD_NOW), "codec_kept"));
}

MULTI_PHASE(plugin_beside, EXEC(setup), OWN_GIL)
