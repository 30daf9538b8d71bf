/* Class 25: an accelerator without slot 3, which its package falls back from in silence. */
#include "../../module.h"

MULTI_PHASE(_speedups, EXEC(answer))
