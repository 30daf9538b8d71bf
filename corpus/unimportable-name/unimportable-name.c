/* Class 36, in a way: a file whose name no import statement can say: well-behaved, and out of reach. */
#include "../module.h"

MULTI_PHASE(unimportable_name, EXEC(answer), OWN_GIL)
