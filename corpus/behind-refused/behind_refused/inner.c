/* Class 2: what its package needs is refused before it is. */
#include "../../module.h"

MULTI_PHASE(inner, EXEC(answer))
