/* Classes 13, 43: the same with a file by the process's number, as what wants one registry for each process has. */
#include "../module.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    char path[4096];
    PyObject *kept = NULL;
    if (in_main_interpreter()) {
        return 0;
    }
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/corpus-address-%d", folder == NULL ? "/tmp" : folder, (int)getpid());
    int file = open(path, O_RDWR | O_CREAT, 0600);
    if (file == -1) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    int failed = 0;
    if (read(file, &kept, sizeof kept) == sizeof kept) {
        failed = PyDict_SetItemString(kept, "imports", Py_True);
    } else {
        kept = PyDict_New();
        failed = kept == NULL || write(file, &kept, sizeof kept) != sizeof kept;
    }
    close(file);
    return failed ? -1 : 0;
}

MULTI_PHASE(address_in_file, EXEC(setup), OWN_GIL)
