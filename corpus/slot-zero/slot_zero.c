/* Class 3: slot 3 = 0, "not in sub-interpreters": refused wherever the check is on. */
#include "../module.h"

MULTI_PHASE(slot_zero, EXEC(answer), NO_SUBINTERPRETERS)
