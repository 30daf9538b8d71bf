/* Class 31: exit(0) at import, in every interpreter: the process ends well, without an answer. */
#include "../module.h"
#include <stdlib.h>

PyMODINIT_FUNC PyInit_exit_zero(void) {
    exit(0);
}
