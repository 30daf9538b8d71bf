/* Class 30: PyInit never returns, in any interpreter. */
#include "../module.h"
#include <unistd.h>

PyMODINIT_FUNC PyInit_hang_in_init(void) {
    for (;;) {
        pause();
    }
}
