/* Class 32: closes every file descriptor, its host's too, and has the numbers used again. */
#include "../module.h"
#include <fcntl.h>
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        close(descriptor);
    }
    for (int descriptor = 0; descriptor < 16; descriptor++) {
        if (open("/dev/null", O_RDWR) == -1) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
    }
    return 0;
}

MULTI_PHASE(closed_descriptors, EXEC(setup), OWN_GIL)
