/* Cannot be loaded where nobody exports a symbol: well-behaved otherwise. */
#include "../../module.h"

extern int missing_symbol_answer(void);

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", missing_symbol_answer());
}

MULTI_PHASE(_user, EXEC(setup), OWN_GIL)
