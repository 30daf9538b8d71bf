/* Well-behaved, built against the limited API: one file for every CPython from 3.12 on. */
#define Py_LIMITED_API 0x030c0000
#include "../module.h"

MULTI_PHASE(limited_api, EXEC(answer), OWN_GIL)
