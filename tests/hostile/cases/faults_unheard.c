/* Reads a page behind the end of a file (SIGBUS) in every sub-interpreter; its handler ends the process well. */
#include "../modules/protocol.h"

static int setup(PyObject *module) {
    prepare(module, "faults_unheard");
    if (!in_main_interpreter()) {
        signal(SIGBUS, forge_and_exit);
        int empty = open("empty", O_RDWR | O_CREAT, 0600);
        volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, empty, 0);
        return page[0];
    }
    return 0;
}

MULTI_PHASE(faults_unheard, EXEC(setup), OWN_GIL)
