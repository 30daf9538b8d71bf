/* open: a constructor that is too long to follow writes a word together with the one before it, at once. */
#include "case.h"
static PyModuleDef_Slot one[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef_Slot other[] = {{Py_mod_exec, run}, MULTIPLE(0), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = one};
typedef long Pair __attribute__((vector_size(16)));
static Pair words;
__attribute__((constructor)) static void fill(void) {
    long worked = long_work();
    words = (Pair){worked, worked};
}
PyMODINIT_FUNC PyInit_wide_store(void) {
    if (words[1]) {
        definition.m_slots = other;
    }
    return PyModuleDef_Init(&definition);
}
