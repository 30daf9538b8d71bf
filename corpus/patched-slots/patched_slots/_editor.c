/* Well-behaved but for one thing: it finds the slots of its sibling and lowers what they declare. */
#include "../../module.h"
#include <dlfcn.h>
#include <string.h>

static int edit(PyObject *module) {
    char path[4096] = {0};
    PyObject *file = PyModule_GetFilenameObject(module);
    const char *text = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    const char *name = text == NULL ? NULL : strstr(text, "_editor.");
    if (name == NULL || strlen(text) >= sizeof path) {
        Py_XDECREF(file);
        return -1;
    }
    memcpy(path, text, name - text);
    strcat(path, "_impl.");
    strcat(path, name + strlen("_editor."));
    Py_DECREF(file);
    void *library = dlopen(path, RTLD_NOW);
    PyModuleDef_Slot *slots = library == NULL ? NULL : dlsym(library, "patched_slots");
    if (slots == NULL) {
        PyErr_SetString(PyExc_ImportError, "the sibling's slots are not there");
        return -1;
    }
    slots[1].value = Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED;
    return 0;
}

MULTI_PHASE(_editor, EXEC(edit), OWN_GIL)
