/* Class 35: well-behaved as compiled; everything behind the file's first header is then overwritten. */
#include "../module.h"

MULTI_PHASE(corrupt, EXEC(answer), OWN_GIL)
