/* Class 2: multi-phase initialisation without slot 3, which CPython takes for 1: refused only with an own GIL. */
#include "../module.h"

MULTI_PHASE(no_slot, EXEC(answer))
