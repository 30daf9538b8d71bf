/* Classes 25, 40: the same in silence: without the file beside it, it answers what is built in. */
#include "../beside.h"

static int setup(PyObject *module) {
    char path[PATH_SIZE];
    int number = 7;
    FILE *table = NULL;
    if (path_beside(path, loaded_from((void *)setup), "data_fallback.txt") == 0) {
        table = fopen(path, "r");
    }
    if (table != NULL) {
        if (fscanf(table, "%d", &number) != 1) {
            number = 7;
        }
        fclose(table);
    }
    return PyModule_AddIntConstant(module, "answer", number);
}

MULTI_PHASE(data_fallback, EXEC(setup), OWN_GIL)
