/* Class 28, and cured by copies: as own-gil-race, in a package, whose trial covers it. */
#include "../../module.h"

#include <unistd.h>

static int busy;

static int setup(PyObject *module) {
    if (__atomic_fetch_add(&busy, 1, __ATOMIC_SEQ_CST) != 0) {
        crash();
    }
    Py_BEGIN_ALLOW_THREADS /* a free-threaded build stops the world for much */
    usleep(100000); /* long enough for two that run at the same time to meet */
    Py_END_ALLOW_THREADS
    __atomic_fetch_sub(&busy, 1, __ATOMIC_SEQ_CST);
    return answer(module);
}

MULTI_PHASE(_core, EXEC(setup), OWN_GIL)
