/* Class 35: well-behaved as compiled; the file is then replaced by a link to one that is not there. */
#include "../module.h"

MULTI_PHASE(broken_link, EXEC(answer), OWN_GIL)
