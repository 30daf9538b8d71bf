/* Exports a function that keeps nothing. It is loaded with RTLD_GLOBAL. */
#include "../../module.h"

int global_symbol_plain_answer(void);

int global_symbol_plain_answer(void) {
    return 42;
}

MULTI_PHASE(_core, EXEC(answer), OWN_GIL)
