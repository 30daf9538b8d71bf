/* Ends the process well in its init function, wherever it is imported. */
#include "module.h"
#include <unistd.h>

PyMODINIT_FUNC PyInit_exits_in_init(void) {
    _exit(0);
}
