/* Crashes in the main interpreter, where the zygote of its package would be; its handler claims that all is well. */
#include "protocol.h"

static void on_crash(int Py_UNUSED(signal)) {
    static const char reply[] = "{\"Entered\":7}\n\"Done\"\n";
    forge();
    for (int descriptor = 3; descriptor < 64; descriptor++) {
        send(descriptor, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    _exit(0);
}

static int setup(PyObject *module) {
    prepare(module, "forges_at_import");
    signal(SIGSEGV, on_crash);
    crash();
    return 0;
}

MULTI_PHASE(forges_at_import, EXEC(setup), OWN_GIL)
