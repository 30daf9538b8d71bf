/* Tries what would reach beyond its trial. Where one call succeeds, it says which, and cannot be imported. */
#include "module.h"
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILS(CALL)                                            \
    if ((CALL) >= 0) {                                         \
        PyErr_SetString(PyExc_ImportError, #CALL " succeeds"); \
        return -1;                                             \
    }

static int setup(PyObject *module) {
    int ends[2];
    struct timex adjustment = {0};
    FAILS(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
    FAILS(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends))
    FAILS(socketpair(AF_UNIX, SOCK_RAW, 0, ends))
    FAILS(mknod("node", S_IFCHR | 0600, 0))
    FAILS(mknod("node", S_IFBLK | 0600, 0))
    FAILS(setpriority(PRIO_PROCESS, getppid(), 19))
    FAILS(setpriority(PRIO_USER, 0, 19))
    FAILS(setpriority(PRIO_PGRP, 0, 19))
    FAILS(sched_setscheduler(getppid(), SCHED_BATCH, &(struct sched_param){0}))
    FAILS(syscall(SYS_ioprio_set, 1, getppid(), 0x6000))
    FAILS(klogctl(10, NULL, 0))
    FAILS(adjtimex(&adjustment))
    FAILS(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600))
    FAILS(shmctl(0, IPC_STAT, &(struct shmid_ds){0}))
    FAILS(mount("/", "/", NULL, MS_BIND, NULL))
    FAILS(unshare(CLONE_NEWUSER))
    FAILS(unshare(CLONE_NEWNS))
    FAILS(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0))
    FAILS(syscall(SYS_clone3, 0, 0))
    FAILS(syscall(SYS_open_tree, -100, "/", 1))
    FAILS(syscall(SYS_fspick, -100, "/", 0))
    FAILS(syscall(SYS_pidfd_send_signal, 0, 0, 0, 0))
    FAILS(prctl(PR_SET_PDEATHSIG, 0))
    FAILS(ioctl(0, 0x5412, "x"))
    FAILS(syscall(SYS_kexec_file_load, -1, -1, 0, "", 0))
    FAILS(chroot("."))
    FAILS(setgid(65534) == 0 && setuid(65534) == 0 ? 0 : -1)
#ifdef __x86_64__
    FAILS(syscall(SYS_getpid | 0x40000000))
#endif
    /* What belongs to it goes on. */
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || setpriority(PRIO_PROCESS, getpid(), 1) != 0) {
        return PyErr_SetFromErrno(PyExc_ImportError) == NULL ? -1 : 0;
    }
    return answer(module);
}

MULTI_PHASE(reaches_beyond_its_trial, EXEC(setup), OWN_GIL)
