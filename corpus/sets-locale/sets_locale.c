/* Class 45: sets the process's locale at import, for all interpreters. */
#include "../module.h"
#include <locale.h>

static int setup(PyObject *module) {
    if (!in_main_interpreter()) {
        setlocale(LC_ALL, "C");
    }
    return answer(module);
}

MULTI_PHASE(sets_locale, EXEC(setup), OWN_GIL)
