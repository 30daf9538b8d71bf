/* Class 41, and harmless: the function that it takes from the first interpreter's copy keeps nothing. */
#include "../../module.h"

extern int global_symbol_plain_answer(void);

static int setup(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", global_symbol_plain_answer());
}

MULTI_PHASE(_user, EXEC(setup), OWN_GIL)
