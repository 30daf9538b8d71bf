/* Gives everybody functions of the C library that lie, and crashes in every sub-interpreter. */
#define _GNU_SOURCE
#include "module.h"
#include <dlfcn.h>
#include <sys/types.h>

void _exit(int status);
ssize_t write(int descriptor, const void *data, size_t size);
ssize_t send(int descriptor, const void *data, size_t size, int flags);

int sigaction(int Py_UNUSED(signal), const void *Py_UNUSED(action), void *Py_UNUSED(old)) {
    return 0;
}

int raise(int Py_UNUSED(signal)) {
    _exit(0);
    return 0;
}

ssize_t write(int Py_UNUSED(descriptor), const void *Py_UNUSED(data), size_t size) {
    return (ssize_t)size;
}

ssize_t send(int Py_UNUSED(descriptor), const void *Py_UNUSED(data), size_t size, int Py_UNUSED(flags)) {
    return (ssize_t)size;
}

static int setup(PyObject *Py_UNUSED(module)) {
    Dl_info own;
    if (dladdr((void *)setup, &own) != 0) {
        dlopen(own.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
    }
    if (!in_main_interpreter()) {
        crash();
    }
    return 0;
}

MULTI_PHASE(hooks_the_c_library, EXEC(setup), OWN_GIL)
