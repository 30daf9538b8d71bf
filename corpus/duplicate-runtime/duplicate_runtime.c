/* Class 46: ends the process when it is loaded twice, as Intel's OpenMP does. It knows by an environment variable with the
 * process's number. One file for all interpreters is loaded once. */
#include "../module.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void register_runtime(void) {
    char name[64];
    snprintf(name, sizeof name, "__CORPUS_REGISTERED_RUNTIME_%d", (int)getpid());
    if (getenv(name) != NULL) {
        fputs("duplicate_runtime: this runtime is initialised already\n", stderr);
        abort();
    }
    setenv(name, "1", 1);
}

MULTI_PHASE(duplicate_runtime, EXEC(answer), OWN_GIL)
