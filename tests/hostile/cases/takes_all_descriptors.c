/* Opens descriptors of every kind until there are no more, and keeps them. */
#include "module.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

static int setup(PyObject *Py_UNUSED(module)) {
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){512, 512});
    int watch = inotify_init();
    inotify_add_watch(watch, "/", IN_ALL_EVENTS);
    while (eventfd(0, 0) >= 0) {
        epoll_create1(0);
        timerfd_create(0, 0);
        memfd_create("hostile", 0);
    }
    return 0;
}

MULTI_PHASE(takes_all_descriptors, EXEC(setup), OWN_GIL)
