/* Ends the process with status 0 in a destructor of its file, before those of others. */
#include "module.h"
#include <unistd.h>

static __attribute__((destructor)) void end_process(void) {
    _exit(0);
}

MULTI_PHASE(exits_in_a_destructor, EXEC(answer), OWN_GIL)
