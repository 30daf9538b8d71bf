/* Class 38: well-behaved, but linked with a library that is not there: fails in the main interpreter too. */
#include "../module.h"

MULTI_PHASE(missing_library, EXEC(answer), OWN_GIL)
