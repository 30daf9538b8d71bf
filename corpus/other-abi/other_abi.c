/* Class 36: well-behaved as compiled, and named for another Python, which is why none imports it. */
#include "../module.h"

MULTI_PHASE(other_abi, EXEC(answer), OWN_GIL)
