//! The system calls that a trial cannot make, or not with all arguments.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{BackendError, SeccompCondition, SeccompRule};

/// System calls, each with the rules of which one must apply; none for any arguments.
pub(super) type SyscallRules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls that fail with `EPERM`: the network (except pairs of connected sockets), memory and limits of other
/// processes, IPC objects that outlive processes, extended attributes, and changes of the system, in case the
/// trial runs as root. The numbers are those of calls that the `libc` crate does not name yet: `setxattrat`,
/// `removexattrat`, `open_tree_attr` and `file_setattr`, the same on all processors.
pub(super) const DENIED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_bpf,
    libc::SYS_fanotify_init,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    463,
    466,
    467,
    469,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Calls that seem to succeed and change nothing: permissions, owners and times of files. Landlock does not
/// restrict them, and an error would make code fail that copies or unpacks files. The number is that of `fchmodat2`.
pub(super) const WITHOUT_EFFECT: &[i64] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    452,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

/// Requests of `ioctl` that change attributes of files (`FS_IOC_SETFLAGS`, also of 32 bits,
/// `FS_IOC_SETVERSION`, `FS_IOC_FSSETXATTR`) and that type into terminals (`TIOCSTI`, `TIOCLINUX`).
const DENIED_REQUESTS: [u64; 6] = [0x4008_6602, 0x4004_6602, 0x4008_7602, 0x401c_5820, 0x5412, 0x541c];

/// Flags of `clone` that make a namespace (`CLONE_NEWNS`, `CGROUP`, `UTS`, `IPC`, `USER`, `PID`, `NET`).
const NAMESPACES: [u64; 7] =
    [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

/// `PRIO_PROCESS` (`sys/resource.h`) and `IOPRIO_WHO_PROCESS` (`linux/ioprio.h`): the next argument names one
/// process.
const PRIORITY_OF_PROCESS: u64 = 0;
const IO_PRIORITY_OF_PROCESS: u64 = 1;

/// Calls that fail with `EPERM` for some arguments.
pub(super) fn denied_arguments() -> Result<SyscallRules, BackendError> {
    let all = |conditions: Vec<Result<SeccompCondition, BackendError>>| {
        SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
    };
    let equals = |argument, value| SeccompCondition::new(argument, Dword, Eq, value);
    let differs = |argument, value| SeccompCondition::new(argument, Dword, Ne, value);
    let has_bits = |argument, mask, value| SeccompCondition::new(argument, Dword, MaskedEq(mask), value);
    let own = u64::from(std::process::id());
    // A process may name itself by its id.
    let of_others = |argument| all(vec![differs(argument, 0), differs(argument, own)]);
    let is_device = |argument| {
        [libc::S_IFCHR, libc::S_IFBLK]
            .map(|kind| all(vec![has_bits(argument, libc::S_IFMT.into(), kind.into())]))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
    };
    let new_namespace = || {
        NAMESPACES.map(|flag| all(vec![has_bits(0, flag, flag)])).into_iter().collect::<Result<Vec<_>, _>>()
    };
    let not_a_stream = (0..16_i32)
        .filter(|kind| ![libc::SOCK_STREAM, libc::SOCK_SEQPACKET].contains(kind))
        .map(|kind| all(vec![has_bits(1, 0xf, u64::from(kind.cast_unsigned()))]));
    let requests = DENIED_REQUESTS.map(|request| all(vec![equals(1, request)]));
    let mut rules = SyscallRules::from([
        (libc::SYS_prlimit64, vec![all(vec![differs(0, 0)])?]),
        (libc::SYS_sched_setaffinity, vec![of_others(0)?]),
        (libc::SYS_sched_setscheduler, vec![of_others(0)?]),
        (libc::SYS_sched_setparam, vec![of_others(0)?]),
        (libc::SYS_sched_setattr, vec![of_others(0)?]),
        (libc::SYS_setpriority, vec![all(vec![differs(0, PRIORITY_OF_PROCESS)])?, of_others(1)?]),
        (libc::SYS_ioprio_set, vec![all(vec![differs(0, IO_PRIORITY_OF_PROCESS)])?, of_others(1)?]),
        (libc::SYS_clone, new_namespace()?),
        // A thread may still stop sharing the descriptors of its process.
        (libc::SYS_unshare, vec![all(vec![differs(0, u64::from(libc::CLONE_FILES.cast_unsigned()))])?]),
        (libc::SYS_mknodat, is_device(2)?),
        // Datagrams can be sent to any path.
        (libc::SYS_socketpair, not_a_stream.collect::<Result<_, _>>()?),
        (libc::SYS_ioctl, requests.into_iter().collect::<Result<_, _>>()?),
        (
            libc::SYS_prctl,
            vec![
                all(vec![
                    equals(0, u64::from(libc::PR_SET_PDEATHSIG.cast_unsigned())),
                    differs(1, u64::from(libc::SIGKILL.cast_unsigned())),
                ])?,
                // The supervisor of a user could not see what such a process has open.
                all(vec![equals(0, u64::from(libc::PR_SET_DUMPABLE.cast_unsigned())), equals(1, 0)])?,
            ],
        ),
    ]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_mknod, is_device(1)?);
    Ok(rules)
}
