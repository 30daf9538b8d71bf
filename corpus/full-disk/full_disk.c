/* Hostile: takes room for as long as there is any, in its working folder and wherever else it may. It asks the
 * system for the room at once, so that it is as fast on a busy machine as on an idle one. */
#include "../module.h"
#include <fcntl.h>
#include <unistd.h>

#define ROOM (64 << 20)

static char block[1 << 20];

static int setup(PyObject *Py_UNUSED(module)) {
    const char *folders[] = {".", "/tmp", "/var/tmp", "/dev/shm"};
    for (int number = 0; number < 1000000; number++) {
        char path[64];
        snprintf(path, sizeof path, "%s/corpus-full-disk-%d", folders[number % 4], number);
        int file = open(path, O_WRONLY | O_CREAT, 0600);
        if (file == -1) {
            continue;
        }
        if (posix_fallocate(file, 0, ROOM) != 0) {
            for (int count = 0; count < ROOM >> 20 && write(file, block, sizeof block) > 0; count++) {
            }
        }
        close(file);
        usleep(5000);
    }
    return 0;
}

MULTI_PHASE(full_disk, EXEC(setup), OWN_GIL)
