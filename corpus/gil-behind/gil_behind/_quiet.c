/* Needs no GIL and says so; its package imports one that does not. */
#include "../../module.h"

MULTI_PHASE(_quiet, EXEC(answer), OWN_GIL)
