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

static PyModuleDef_Slot slots[] = {EXEC(setup), OWN_GIL, LAST_SLOTS};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "own_gil_race", .m_slots = slots};

/* Class 8 as well: what an earlier trial has seen is told though this one ends in a crash. */
PyMODINIT_FUNC PyInit_own_gil_race(void) {
    PySys_SetObject("own_gil_race_was_here", Py_True);
    return PyModuleDef_Init(&definition);
}
