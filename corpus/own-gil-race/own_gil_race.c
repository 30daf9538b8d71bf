/* Class 28: declares slot 3 = 2, and its initialisation uses a C static that only one GIL would guard. Interpreters that
 * import it one after the other never notice. */
#include "../module.h"

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

MULTI_PHASE(own_gil_race, EXEC(setup), OWN_GIL)
