/* No slot 3: refused in an interpreter with its own GIL. */
#include "../../module.h"

MULTI_PHASE(_impl, EXEC(answer))
