/* Classes 13, 39, by thread: keeps a dictionary for each thread in a library that it opens by `__file__`, which all copies
 * share. Only a thread that serves two interpreters, as a server's does, shows it. */
#include "../beside.h"

static int setup(PyObject *module) {
    PyObject **(*find)(void) = (PyObject **(*)(void))symbol_of(
        open_beside_module(module, "thread_local_in_shared_library.libs/libthread.so.1", RTLD_NOW), "libthread_kept");
    return find == NULL ? -1 : count_in(find());
}

MULTI_PHASE(thread_local_in_shared_library, EXEC(setup), OWN_GIL)
