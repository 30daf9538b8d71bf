/* Class 26: an extension module without slot 3 that its package imports at first use. */
#include "../../module.h"

MULTI_PHASE(_engine, EXEC(answer))
