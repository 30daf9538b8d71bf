/* Tries to trace, to write to and to take descriptors from its parent, and to leave objects of System V behind. Where a
 * call succeeds, it ends the process. */
#include "module.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int setup(PyObject *module) {
    char path[64], byte = 0;
    struct iovec here = {&byte, 1}, there = {(void *)setup, 1};
    snprintf(path, sizeof path, "/proc/%d/mem", getppid());
    int parent = syscall(SYS_pidfd_open, getppid(), 0);
    if (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 || open(path, O_RDWR) >= 0
        || process_vm_writev(getppid(), &here, 1, &there, 1, 0) >= 0
        || syscall(SYS_pidfd_getfd, parent, 0, 0) >= 0 || shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) >= 0
        || semget(IPC_PRIVATE, 1, IPC_CREAT | 0600) >= 0 || msgget(IPC_PRIVATE, IPC_CREAT | 0600) >= 0) {
        _exit(1);
    }
    return answer(module);
}

MULTI_PHASE(reaches_for_its_supervisor, EXEC(setup), OWN_GIL)
