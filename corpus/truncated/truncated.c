/* Class 35: well-behaved as compiled; the file is then cut short, as a full disk does. */
#include "../module.h"

MULTI_PHASE(truncated, EXEC(answer), OWN_GIL)
