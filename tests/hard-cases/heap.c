/* exact: definition and slots lie on the heap. */
#include "case.h"
PyMODINIT_FUNC PyInit_heap(void) {
    PyModuleDef_Slot *slots = PyMem_Calloc(3, sizeof *slots);
    PyModuleDef *definition = PyMem_Calloc(1, sizeof *definition);
    static const PyModuleDef blank = {PyModuleDef_HEAD_INIT, .m_name = "heap", .m_size = 24};
    if (slots == NULL || definition == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(definition, &blank, sizeof blank);
    slots[0] = (PyModuleDef_Slot){Py_mod_exec, run};
    slots[1] = (PyModuleDef_Slot)MULTIPLE(1);
    definition->m_slots = slots;
    return PyModuleDef_Init(definition);
}
