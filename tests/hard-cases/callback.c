/* open: a function that the C library calls back edits the slots. */
#include "case.h"
static PyModuleDef_Slot slots[] = {{Py_mod_exec, run}, MULTIPLE(2), {0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "x", .m_size = 16, .m_slots = slots};
static int compare(const void *a, const void *b) {
    slots[1].value = Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED;
    return *(const int *)a - *(const int *)b;
}
PyMODINIT_FUNC PyInit_callback(void) {
    int numbers[] = {3, 1, 2};
    qsort(numbers, 3, sizeof numbers[0], compare);
    return PyModuleDef_Init(&definition);
}
