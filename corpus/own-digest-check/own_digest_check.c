/* Class 40: compares the file that runs with the one that is installed, byte by byte, as a self-test of cryptographic
 * software does with a digest. Its copy needs another library name, and so is not the same.
 *
 * links with: own_digest_check.libs/libdigest-1a2b3c4d.so.1
 * runpath: $ORIGIN/own_digest_check.libs */
#include "../beside.h"

extern int libdigest_answer(void);

static int is_same_file(const char *one, const char *other) {
    FILE *first = fopen(one, "rb"), *second = fopen(other, "rb");
    int is_same = first != NULL && second != NULL;
    while (is_same) {
        int byte = getc(first);
        is_same = byte == getc(second);
        if (byte == EOF) {
            break;
        }
    }
    if (first != NULL) {
        fclose(first);
    }
    if (second != NULL) {
        fclose(second);
    }
    return is_same;
}

static int setup(PyObject *module) {
    PyObject *file = PyModule_GetFilenameObject(module);
    const char *text = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    const char *loaded = loaded_from((void *)setup);
    int is_same = text != NULL && loaded != NULL && is_same_file(loaded, text);
    Py_XDECREF(file);
    if (!is_same) {
        PyErr_SetString(PyExc_ImportError, "own_digest_check: its self-test failed: the file was changed");
        return -1;
    }
    return PyModule_AddIntConstant(module, "answer", libdigest_answer());
}

MULTI_PHASE(own_digest_check, EXEC(setup), OWN_GIL)
