/* Crashes in every sub-interpreter. Before, it has every thread of the process write a pass from a signal handler: by
 * signals to each thread, and by signals to the process when all threads that it has stopped block them. */
#include "protocol.h"

static const int signals[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGALRM, 64};
#define SIGNALS (sizeof signals / sizeof *signals)

static void on_signal(int Py_UNUSED(signal)) {
    write_to_descriptors();
}

static void on_stop(int Py_UNUSED(signal)) {
    for (;;) {
        pause();
    }
}

static void signal_all_threads(int number) {
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        if (atoi(task->d_name) > 0 && atoi(task->d_name) != syscall(SYS_gettid)) {
            syscall(SYS_tgkill, getpid(), atoi(task->d_name), number);
        }
    }
    usleep(20000);
}

static int setup(PyObject *module) {
    prepare(module, "forges_on_other_threads");
    if (!in_main_interpreter()) {
        struct sigaction stop = {.sa_handler = on_stop};
        sigset_t all;
        for (size_t i = 0; i < SIGNALS; i++) {
            signal(signals[i], on_signal);
            signal_all_threads(signals[i]);
        }
        sigfillset(&all);
        sigfillset(&stop.sa_mask);
        sigaction(SIGUSR2, &stop, NULL);
        signal_all_threads(SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &all, NULL);
        for (size_t i = 0; i < SIGNALS; i++) {
            kill(getpid(), signals[i]);
        }
        usleep(100000);
        _exit(0);
    }
    return 0;
}

MULTI_PHASE(forges_on_other_threads, EXEC(setup), OWN_GIL)
