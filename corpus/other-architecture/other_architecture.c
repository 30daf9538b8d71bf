/* Class 35: well-behaved as compiled; the file's header then names another machine. */
#include "../module.h"

MULTI_PHASE(other_architecture, EXEC(answer), OWN_GIL)
