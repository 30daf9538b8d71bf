/* exact: PyModExport_ returns PySlots, with subslots and an array of the old kind among them (PEP 793, 820). */
#include "case.h"
#include <stdint.h>
struct slot {
    uint16_t id, flags;
    uint32_t reserved;
    const void *value;
};
static PyModuleDef_Slot old[] = {{2, run}, {0, NULL}};
static struct slot below[] = {{86, 4, 0, (void *)2}, {0, 0, 0, NULL}};
static struct slot slots[] = {
    {100, 0, 0, "exported"}, {102, 4, 0, (void *)40}, {92, 0, 0, below}, {94, 0, 0, old}, {0, 0, 0, NULL},
};
PyMODINIT_FUNC PyModExport_exported(void);
PyMODINIT_FUNC PyModExport_exported(void) { return (void *)slots; }
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "exported", .m_size = -1};
PyMODINIT_FUNC PyInit_exported(void) { return PyModule_Create(&definition); }
