/* Crashes in every sub-interpreter; its handler writes a pass wherever it can, and ends the process well. */
#include "protocol.h"

static int setup(PyObject *module) {
    prepare(module, "forges_when_it_crashes");
    if (!in_main_interpreter()) {
        signal(SIGSEGV, forge_and_exit);
        crash();
    }
    return 0;
}

MULTI_PHASE(forges_when_it_crashes, EXEC(setup), OWN_GIL)
