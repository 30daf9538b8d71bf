/* Hostile: what a terminal obeys, on every way that may lead to one: the streams, the terminal itself, and
 * the text of an exception, which a report shows. It sets the title, clears the screen, hides what comes. */
#include "../module.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char attack[] = "\x1b]0;attacked\x07\x1b[2J\x1b[8m\xc2\x9b" "31m\r\xe2\x80\xae" "attacked";

static int setup(PyObject *Py_UNUSED(module)) {
    int terminal = open("/dev/tty", O_WRONLY);
    if (terminal != -1) {
        (void)!write(terminal, attack, sizeof attack - 1);
    }
    fputs(attack, stdout);
    fputs(attack, stderr);
    fflush(stdout);
    if (in_main_interpreter()) {
        return 0;
    }
    PyErr_SetString(PyExc_ImportError, attack);
    return -1;
}

MULTI_PHASE(terminal_attack, EXEC(setup), OWN_GIL)
