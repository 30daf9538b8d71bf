/* Class 5: the module itself refuses a second interpreter, in PyO3's way and words: it remembers the id
 * of the first interpreter that imported it. No slot 3, so with an own GIL CPython refuses it before. */
#include "../module.h"

static int64_t first_interpreter = -1;

static int setup(PyObject *Py_UNUSED(module)) {
    int64_t interpreter = PyInterpreterState_GetID(PyInterpreterState_Get());
    if (first_interpreter == -1) {
        first_interpreter = interpreter;
    }
    if (interpreter != first_interpreter) {
        PyErr_SetString(PyExc_ImportError, "PyO3 modules do not yet support subinterpreters, see issue 576");
        return -1;
    }
    return 0;
}

MULTI_PHASE(guard_pyo3, EXEC(setup))
