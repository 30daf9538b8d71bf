/* Classes 28, 39: the library that it opens by `__file__` is not made for two at the same time, and all copies have
 * the same one. What two would do to memory is left to crash(). */
#include "../beside.h"

#include <unistd.h>

static int setup(PyObject *module) {
    int *owners = symbol_of(open_beside_module(module, "library_by_file_race.libs/libbusy.so.1", RTLD_NOW), "libbusy_owners");
    if (owners == NULL) {
        return -1;
    }
    if (__atomic_fetch_add(owners, 1, __ATOMIC_SEQ_CST) != 0) {
        crash();
    }
    Py_BEGIN_ALLOW_THREADS /* a free-threaded build stops the world for much */
    usleep(100000); /* long enough for two that run at the same time to meet */
    Py_END_ALLOW_THREADS
    __atomic_fetch_sub(owners, 1, __ATOMIC_SEQ_CST);
    return answer(module);
}

MULTI_PHASE(library_by_file_race, EXEC(setup), OWN_GIL)
