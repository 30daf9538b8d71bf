/* Hostile: puts one file in the place of every descriptor, its host's too, open or not. */
#include "../module.h"
#include <fcntl.h>
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    int file = open("replaced", O_RDWR | O_CREAT, 0600);
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        dup2(file, descriptor);
    }
    return 0;
}

MULTI_PHASE(replaced_descriptors, EXEC(setup), OWN_GIL)
