/* What every case would otherwise repeat. A case is one C or C++ file that includes this and says what it does wrong.
 *
 *     static int setup(PyObject *module) { ... }
 *     MULTI_PHASE(name, EXEC(setup), OWN_GIL, NO_GIL)
 */
#ifndef WSGIAUDIT_CORPUS_MODULE_H
#define WSGIAUDIT_CORPUS_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Slots, as arguments of MULTI_PHASE. */
#define EXEC(FUNCTION) {Py_mod_exec, (void *)FUNCTION}
#define NO_SUBINTERPRETERS {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED}
#define SHARED_GIL {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED}
#define OWN_GIL {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED}

/* The end of every list of slots. Before it, where the API in use has that slot (3.13), that no GIL is needed:
 * a module that keeps nothing in C needs none, and a free-threaded build stays quiet about it. A case about slot 4
 * defines UNDECLARED_GIL first. */
#if defined(Py_MOD_GIL_NOT_USED) && !defined(UNDECLARED_GIL)
#define LAST_SLOTS {Py_mod_gil, Py_MOD_GIL_NOT_USED}, {0, NULL}
#else
#define LAST_SLOTS {0, NULL}
#endif

/* A module with multi-phase initialisation and the slots given. */
#define MULTI_PHASE(NAME, ...)                                                     \
    static PyModuleDef_Slot slots[] = {__VA_ARGS__, LAST_SLOTS};                   \
    static PyModuleDef definition = {                                              \
        PyModuleDef_HEAD_INIT, #NAME, NULL, 0, NULL, slots, NULL, NULL, NULL,      \
    };                                                                             \
    PyMODINIT_FUNC PyInit_##NAME(void) { return PyModuleDef_Init(&definition); }

/* For EXEC, where a module need not do anything of interest. */
static inline int answer(PyObject *module) {
    return PyModule_AddIntConstant(module, "answer", 42);
}

#ifndef Py_LIMITED_API
static inline int in_main_interpreter(void) {
    return PyInterpreterState_Get() == PyInterpreterState_Main();
}
#endif

/* Whether this is the interpreter that asked first: the guard of modules that serve one only. */
static inline int in_first_interpreter(void) {
    static int64_t first = -1;
    int64_t here = PyInterpreterState_GetID(PyInterpreterState_Get());
    if (first == -1) {
        first = here;
    }
    return here == first;
}

/* What a wild pointer does, in a way that no compiler turns into something else. */
static inline void crash(void) {
    *(volatile int *)NULL = 0;
}

/* Runs Python source with the module's own names as globals. */
static inline int run_python(PyObject *module, const char *source) {
    PyObject *names = PyModule_GetDict(module);
    PyObject *code = Py_CompileString(source, "<corpus>", Py_file_input);
    PyObject *result = code == NULL ? NULL : PyEval_EvalCode(code, names, names);
    Py_XDECREF(code);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

#endif
