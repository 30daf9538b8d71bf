/* What a case needs that finds other files by the path of its own: as modules with plug-ins, libraries and data do. */
#ifndef WSGIAUDIT_CORPUS_BESIDE_H
#define WSGIAUDIT_CORPUS_BESIDE_H

#include "module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096

/* Writes the path of `name` in the folder of `file`. Returns 0; -1 if there is no folder or no room. */
static inline int path_beside(char path[PATH_SIZE], const char *file, const char *name) {
    const char *end = file == NULL ? NULL : strrchr(file, '/');
    if (end == NULL) {
        return -1;
    }
    int size = snprintf(path, PATH_SIZE, "%.*s/%s", (int)(end - file), file, name);
    return size < PATH_SIZE ? 0 : -1;
}

/* The file that this function was loaded from, as the dynamic linker knows it; NULL if it does not. */
static inline const char *loaded_from(void *function) {
    Dl_info here;
    return dladdr(function, &here) == 0 ? NULL : here.dli_fname;
}

/* Opens a library. Raises what the dynamic linker says if it cannot. */
static inline void *open_library(const char *path, int flags) {
    void *library = dlopen(path, flags);
    if (library == NULL) {
        PyErr_SetString(PyExc_ImportError, dlerror());
    }
    return library;
}

/* Opens a library in the folder of the module's `__file__`. */
static inline void *open_beside_module(PyObject *module, const char *name, int flags) {
    char path[PATH_SIZE];
    PyObject *file = PyModule_GetFilenameObject(module);
    const char *text = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    void *library = NULL;
    if (text != NULL && path_beside(path, text, name) == 0) {
        library = open_library(path, flags);
    }
    Py_XDECREF(file);
    return library;
}

/* The address of a symbol. Raises if the library has none of that name. */
static inline void *symbol_of(void *library, const char *name) {
    void *symbol = library == NULL ? NULL : dlsym(library, name);
    if (symbol == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ImportError, "there is no symbol %s", name);
    }
    return symbol;
}

/* Counts in a dictionary that a library keeps, and makes it where there is none yet: whoever has that library
 * counts in the same one. */
static inline int count_in(PyObject **kept) {
    if (kept == NULL || (*kept == NULL && (*kept = PyDict_New()) == NULL)) {
        return -1;
    }
    return PyDict_SetItemString(*kept, "imports", Py_True);
}

#endif
