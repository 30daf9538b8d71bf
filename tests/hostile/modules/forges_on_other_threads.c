/* Crashes in every sub-interpreter. Before, it has every thread of the process write a pass from a signal handler. */
#include "protocol.h"

static void on_signal(int Py_UNUSED(signal)) {
    write_to_descriptors();
}

static int setup(PyObject *module) {
    prepare(module, "forges_on_other_threads");
    if (!in_main_interpreter()) {
        DIR *tasks = opendir("/proc/self/task");
        signal(SIGUSR1, on_signal);
        for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
            if (atoi(task->d_name) > 0) {
                syscall(SYS_tgkill, getpid(), atoi(task->d_name), SIGUSR1);
            }
        }
        usleep(100000);
        _exit(0);
    }
    return 0;
}

MULTI_PHASE(forges_on_other_threads, EXEC(setup), OWN_GIL)
