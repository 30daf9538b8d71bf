/* Class 35: well-behaved as compiled; the file is then emptied. */
#include "../module.h"

MULTI_PHASE(empty_file, EXEC(answer), OWN_GIL)
