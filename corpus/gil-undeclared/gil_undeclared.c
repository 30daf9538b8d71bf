/* Does not say that it needs no GIL: a free-threaded build switches it on for everybody. It would pass without. */
#define UNDECLARED_GIL
#include "../module.h"

MULTI_PHASE(gil_undeclared, EXEC(answer), OWN_GIL)
