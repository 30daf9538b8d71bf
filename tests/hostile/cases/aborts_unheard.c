/* Aborts in every sub-interpreter; its handler of SIGABRT ends the process well. */
#include "../modules/protocol.h"

static int setup(PyObject *module) {
    prepare(module, "aborts_unheard");
    if (!in_main_interpreter()) {
        signal(SIGABRT, forge_and_exit);
        abort();
    }
    return 0;
}

MULTI_PHASE(aborts_unheard, EXEC(setup), OWN_GIL)
