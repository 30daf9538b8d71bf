/* What the hard cases share. The first line of each says what a static reader must make of it, whatever the
 * optimisation: `exact` (what the running init function returned), `open` (undetermined), or `never wrong`
 * (either of the two). */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

#define FAR __attribute__((noinline, noclone))
#define MULTIPLE(VALUE) {Py_mod_multiple_interpreters, (void *)(VALUE)}

static int run(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

/* More work than any reader will follow, with a result that no compiler works out. */
FAR static int long_work(void) {
    volatile unsigned sum = 0;
    for (volatile unsigned turn = 0; turn < 1000000; turn++) {
        sum += turn;
    }
    return sum != 0;
}
