/* Takes two locks, in one order and in the other by turns. The GIL, which it keeps meanwhile, has always hidden
 * that; threads without one soon wait for each other for ever. */
#include "../module.h"
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static int turn;

static PyObject *look(PyObject *self) {
    for (int round = 0; round < 20; round++) {
        int first = __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) & 1;
        pthread_mutex_lock(&locks[first]);
        usleep(200);
        pthread_mutex_lock(&locks[!first]);
        pthread_mutex_unlock(&locks[!first]);
        pthread_mutex_unlock(&locks[first]);
    }
    return PyUnicode_FromFormat("<locker at %p>", (void *)self);
}

static PyType_Slot locker_slots[] = {{Py_tp_repr, look}, {0, NULL}};
static PyType_Spec locker = {"locker", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT, locker_slots};

static int setup(PyObject *module) {
    PyObject *type = PyType_FromSpec(&locker);
    if (type == NULL) {
        return -1;
    }
    PyObject *one = PyObject_CallNoArgs(type);
    Py_DECREF(type);
    int added = one == NULL ? -1 : PyModule_AddObjectRef(module, "one", one);
    Py_XDECREF(one);
    return added;
}

MULTI_PHASE(deadlock, EXEC(setup), SHARED_GIL)
