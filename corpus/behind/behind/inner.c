/* Class 27: fit for an own GIL, in a package that is not. */
#include "../../module.h"

MULTI_PHASE(inner, EXEC(answer), OWN_GIL)
