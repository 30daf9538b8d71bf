/* Says that it needs the GIL (slot 4 = 0). */
#define UNDECLARED_GIL
#include "../module.h"

#ifdef Py_MOD_GIL_USED
MULTI_PHASE(gil_used, EXEC(answer), OWN_GIL, {Py_mod_gil, Py_MOD_GIL_USED})
#else
MULTI_PHASE(gil_used, EXEC(answer), OWN_GIL)
#endif
