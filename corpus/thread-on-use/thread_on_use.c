/* Class 15, at use: importing it is harmless. Its function starts a thread that takes the GIL with PyGILState_Ensure and
 * gives back an object that it made in the main interpreter. */
#include "../module.h"
#include <pthread.h>

static void *make(void *made) {
    PyGILState_STATE state = PyGILState_Ensure();
    *(PyObject **)made = PyBytes_FromString("made by a thread");
    PyGILState_Release(state);
    return NULL;
}

static PyObject *fetch(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyObject *made = NULL;
    pthread_t thread;
    Py_BEGIN_ALLOW_THREADS
    if (pthread_create(&thread, NULL, make, &made) == 0) {
        pthread_join(thread, NULL);
    }
    Py_END_ALLOW_THREADS
    return made == NULL ? PyErr_NoMemory() : made;
}

static PyMethodDef functions[] = {{"fetch", fetch, METH_NOARGS, NULL}, {NULL}};

static int setup(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}

MULTI_PHASE(thread_on_use, EXEC(setup), OWN_GIL)
