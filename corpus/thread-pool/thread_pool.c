/* Class 17: starts a native thread when it is first imported, for good. The thread never touches Python: there is
 * nothing wrong with it. */
#include "../module.h"

#include <pthread.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *work(void *nothing) {
    for (;;) {
        pause();
    }
    return nothing;
}

static void start(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) == 0) {
        pthread_detach(thread);
    }
}

static int setup(PyObject *module) {
    pthread_once(&once, start);
    return answer(module);
}

MULTI_PHASE(thread_pool, EXEC(setup), OWN_GIL)
