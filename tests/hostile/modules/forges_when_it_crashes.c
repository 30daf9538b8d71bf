/* Crashes in every sub-interpreter; its handler writes a pass wherever it can, and ends the process well. */
#include "protocol.h"

static void on_crash(int Py_UNUSED(signal)) {
    forge();
    _exit(0);
}

static int setup(PyObject *module) {
    prepare(module, "forges_when_it_crashes");
    if (!in_main_interpreter()) {
        signal(SIGSEGV, on_crash);
        crash();
    }
    return 0;
}

MULTI_PHASE(forges_when_it_crashes, EXEC(setup), OWN_GIL)
