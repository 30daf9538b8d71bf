/* Exports a place for an object. It is loaded with RTLD_GLOBAL. */
#include "../../module.h"

PyObject *global_symbol_kept;

MULTI_PHASE(_core, EXEC(answer), OWN_GIL)
