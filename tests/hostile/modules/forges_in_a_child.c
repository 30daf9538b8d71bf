/* Forks in every sub-interpreter; the child writes a pass, and the parent exits. */
#include "protocol.h"
#include <sys/wait.h>

static int setup(PyObject *module) {
    prepare(module, "forges_in_a_child");
    if (!in_main_interpreter()) {
        pid_t child = fork();
        if (child == 0) {
            forge();
            _exit(0);
        }
        waitpid(child, NULL, 0);
        _exit(0);
    }
    return 0;
}

MULTI_PHASE(forges_in_a_child, EXEC(setup), OWN_GIL)
