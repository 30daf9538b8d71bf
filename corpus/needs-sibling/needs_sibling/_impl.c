/* Class 37: well-behaved, in a package that needs a sibling imported first. */
#include "../../module.h"

MULTI_PHASE(_impl, EXEC(answer), OWN_GIL)
