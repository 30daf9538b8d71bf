/* Class 40: asks the dynamic linker where it lies, and reads a file there. A private copy lies elsewhere: the file must
 * be there too. */
#include "../beside.h"

static int setup(PyObject *module) {
    char path[PATH_SIZE];
    if (path_beside(path, loaded_from((void *)setup), "data_beside.txt") < 0) {
        PyErr_SetString(PyExc_RuntimeError, "it has no file");
        return -1;
    }
    FILE *table = fopen(path, "r");
    int number;
    if (table == NULL || fscanf(table, "%d", &number) != 1) {
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
        return -1;
    }
    fclose(table);
    return PyModule_AddIntConstant(module, "answer", number);
}

MULTI_PHASE(data_beside, EXEC(setup), OWN_GIL)
