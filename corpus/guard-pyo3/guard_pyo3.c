/* Class 5: the module itself refuses a second interpreter, in PyO3's way and words: it remembers the id
 * of the first interpreter that imported it. No slot 3, so with an own GIL CPython refuses it before. */
#include "../module.h"

static int setup(PyObject *Py_UNUSED(module)) {
    if (!in_first_interpreter()) {
        PyErr_SetString(PyExc_ImportError, "PyO3 modules do not yet support subinterpreters, see issue 576");
        return -1;
    }
    return 0;
}

MULTI_PHASE(guard_pyo3, EXEC(setup))
