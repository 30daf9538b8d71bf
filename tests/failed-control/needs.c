/* A module that declares support for an own GIL, and for running without one, unless -DQUIET; NEEDS says what its
   execution wants. */
#include <Python.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)
#define JOIN_OF(a, b) a##b
#define JOIN(a, b) JOIN_OF(a, b)

enum { NOTHING, VARIABLE, CONFIGURATION, TIME, SANITY, TRUTH };

static int execute(PyObject *module) {
    (void)module;
    const char *value = getenv("SHOP_HOME");
    switch (NEEDS) {
    case VARIABLE:
        if (!value || strcmp(value, "/srv/shop")) {
            PyErr_SetString(PyExc_RuntimeError, value ? "SHOP_HOME must be set well" : "SHOP_HOME is not set");
            return -1;
        }
        break;
    case CONFIGURATION: {
        FILE *file = fopen("shop.ini", "r+");
        if (!file) {
            PyErr_SetFromErrnoWithFilename(PyExc_OSError, "shop.ini");
            return -1;
        }
        fputs("written by a trial", file);
        fclose(file);
        break;
    }
    case TIME:
        sleep(3);
        break;
    case SANITY:
        abort();
    case TRUTH:
        PyErr_SetString(PyExc_AssertionError, "");
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifndef QUIET
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = TEXT(NAME), .m_size = 0, .m_slots = slots,
};

PyMODINIT_FUNC JOIN(PyInit_, NAME)(void) { return PyModuleDef_Init(&definition); }
