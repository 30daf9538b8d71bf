/* Aborts in every sub-interpreter; its handler of SIGABRT ends the process well. */
#include "../modules/protocol.h"

static void on_abort(int Py_UNUSED(signal)) {
    forge();
    _exit(0);
}

static int setup(PyObject *module) {
    prepare(module, "aborts_unheard");
    if (!in_main_interpreter()) {
        signal(SIGABRT, on_abort);
        abort();
    }
    return 0;
}

MULTI_PHASE(aborts_unheard, EXEC(setup), OWN_GIL)
