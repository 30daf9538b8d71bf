/* Class 31: in a sub-interpreter it prints what an auditor would like to read and leaves with _exit(0). */
#include "../module.h"
#include <unistd.h>

static const char forged[] = "{\"outcome\":{\"kind\":\"imported\"},\"verdict\":\"ready\"}\nok\nimported\n";

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_main_interpreter()) {
        ssize_t written = write(STDOUT_FILENO, forged, sizeof forged - 1);
        _exit(written < 0);
    }
    return 0;
}

MULTI_PHASE(forged_answer, EXEC(setup), OWN_GIL)
