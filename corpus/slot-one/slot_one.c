/* Class 4: slot 3 = 1, "in sub-interpreters that share the main GIL". */
#include "../module.h"

MULTI_PHASE(slot_one, EXEC(answer), SHARED_GIL)
