/* Hostile: maps memory of its own over every shared mapping that it finds, as an auditor's record might be. */
#include "../module.h"
#include <stdio.h>
#include <sys/mman.h>

static int setup(PyObject *Py_UNUSED(module)) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        size_t start, end;
        char permissions[5];
        if (sscanf(line, "%zx-%zx %4s", &start, &end, permissions) == 3 && permissions[3] == 's') {
            mmap((void *)start, end - start, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }
    }
    return 0;
}

MULTI_PHASE(mapped_over, EXEC(setup), OWN_GIL)
