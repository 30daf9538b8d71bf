/* Hostile: writes files for as long as there is room, in its working folder and wherever else it may. */
#include "../module.h"
#include <fcntl.h>
#include <unistd.h>

static char block[1 << 20];

static int setup(PyObject *Py_UNUSED(module)) {
    const char *folders[] = {".", "/tmp", "/var/tmp", "/dev/shm"};
    for (int number = 0; number < 1000000; number++) {
        char path[64];
        snprintf(path, sizeof path, "%s/corpus-full-disk-%d", folders[number % 4], number);
        int file = open(path, O_WRONLY | O_CREAT, 0600);
        for (int count = 0; file != -1 && count < 256 && write(file, block, sizeof block) > 0; count++) {
        }
        close(file);
    }
    return 0;
}

MULTI_PHASE(full_disk, EXEC(setup), OWN_GIL)
