//! Sandbox for foreign code in a trial.
//!
//! Denies writing outside its folder, using the network, signaling or inspecting other processes, and
//! changing the system. Uses Landlock (`landlock(7)`) and seccomp (`seccomp(2)`) as far as the kernel
//! supports them. The auditor uses it too, to find out what this system cannot enforce.

use std::path::Path;

/// Restrictions for the calling thread and all processes it starts. They cannot be lifted.
pub struct Confinement<'a> {
    /// Files and folders that may be written to. Empty if an outer sandbox restricts that already.
    pub writable: &'a [&'a Path],
    /// Signaling this process or its process group kills the sender with `SIGSYS`. A mere error would let a
    /// module pass that would kill its server.
    pub parent: i32,
}

/// Applies the sandbox to the calling thread. Returns what this system cannot enforce, as phrases that
/// complete the sentence "trials may ...".
#[cfg(target_os = "linux")]
pub fn confine(to: &Confinement<'_>) -> Vec<&'static str> {
    let mut missing = linux::apply_landlock(to.writable);
    if linux::apply_seccomp(to.parent).is_err() {
        missing.push("use the network and trace other processes");
    }
    missing
}

/// Applies nothing: the sandbox needs Linux.
#[cfg(not(target_os = "linux"))]
pub fn confine(_to: &Confinement<'_>) -> Vec<&'static str> {
    vec!["write outside their folders, signal other processes and use the network"]
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::path::Path;

    use landlock::{
        ABI, Access, AccessFs, LandlockStatus, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetError, Scope,
    };
    use seccompiler::SeccompCmpArgLen::Dword;
    use seccompiler::SeccompCmpOp::{Eq, Ne};
    use seccompiler::{
        BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule,
    };

    /// The newest Landlock ABI that this file uses; older kernels enforce what they support.
    const NEWEST: ABI = ABI::V7;

    /// Files outside its folder that a trial may write to; they discard all data.
    const SINKS: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

    pub(super) fn apply_landlock(writable: &[&Path]) -> Vec<&'static str> {
        let enforced = match restrict_writes(writable) {
            Ok(RestrictionStatus { landlock: LandlockStatus::Available { effective_abi, .. }, .. }) => {
                effective_abi
            }
            Ok(_) => ABI::Unsupported,
            // The kernel allows sixteen layers of rules at most; the outer ones remain in force.
            Err(_) if writable.is_empty() => NEWEST,
            Err(_) => ABI::Unsupported,
        };
        let since = [
            (ABI::V1, "write outside their folders"),
            (ABI::V3, "truncate files outside their folders"),
            (ABI::V6, "signal other processes"),
        ];
        since.into_iter().filter(|(abi, _)| enforced < *abi).map(|(_, what)| what).collect()
    }

    fn restrict_writes(writable: &[&Path]) -> Result<RestrictionStatus, RulesetError> {
        let scoped = Ruleset::default().scope(Scope::from_all(NEWEST))?;
        if writable.is_empty() {
            return scoped.create()?.restrict_self();
        }
        let write = AccessFs::from_write(NEWEST);
        let mut rules = scoped.handle_access(write)?.create()?;
        for path in writable.iter().copied().chain(SINKS.map(Path::new)) {
            let Ok(opened) = PathFd::new(path) else { continue };
            let allowed = if path.is_dir() { write } else { write & AccessFs::from_file(NEWEST) };
            rules = rules.add_rule(PathBeneath::new(opened, allowed))?;
        }
        rules.restrict_self()
    }

    pub(super) fn apply_seccomp(parent: i32) -> Result<(), seccompiler::Error> {
        let refused = u32::try_from(libc::EPERM).unwrap_or(1);
        seccompiler::apply_filter(&build_filter(denied_syscall_rules()?, SeccompAction::Errno(refused))?)?;
        seccompiler::apply_filter(&build_filter(fatal_signal_rules(parent)?, SeccompAction::KillProcess)?)
    }

    type SyscallRules = BTreeMap<i64, Vec<SeccompRule>>;

    fn build_filter(rules: SyscallRules, action: SeccompAction) -> Result<BpfProgram, BackendError> {
        let machine = std::env::consts::ARCH.try_into()?;
        SeccompFilter::new(rules, SeccompAction::Allow, action, machine)?.try_into()
    }

    /// System calls that fail with `EPERM`: the network (except pairs of connected sockets), memory and
    /// limits of other processes, IPC objects that outlive processes, and changes of the system, in case the
    /// trial runs as root.
    fn denied_syscall_rules() -> Result<SyscallRules, BackendError> {
        let always = [
            libc::SYS_socket,
            libc::SYS_io_uring_setup,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_getfd,
            libc::SYS_userfaultfd,
            libc::SYS_perf_event_open,
            libc::SYS_bpf,
            libc::SYS_shmget,
            libc::SYS_msgget,
            libc::SYS_semget,
            libc::SYS_mq_open,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_keyctl,
            libc::SYS_open_by_handle_at,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_fsopen,
            libc::SYS_mount_setattr,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_quotactl,
            libc::SYS_acct,
            libc::SYS_reboot,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_sethostname,
            libc::SYS_setdomainname,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
        ];
        let mut rules: SyscallRules = always.into_iter().map(|call| (call, Vec::new())).collect();
        let of_others = SeccompRule::new(vec![SeccompCondition::new(0, Dword, Ne, 0)?])?;
        rules.insert(libc::SYS_prlimit64, vec![of_others]);
        Ok(rules)
    }

    /// Signals to the parent, to the own process group, and to all processes.
    fn fatal_signal_rules(parent: i32) -> Result<SyscallRules, BackendError> {
        let rule = |process: i32, signal: u8| {
            let process = u64::from(process.cast_unsigned());
            SeccompRule::new(vec![
                SeccompCondition::new(0, Dword, Eq, process)?,
                SeccompCondition::new(signal, Dword, Ne, 0)?,
            ])
        };
        let kill = [0, -1, parent, -parent].map(|process| rule(process, 1));
        Ok(BTreeMap::from([
            (libc::SYS_kill, kill.into_iter().collect::<Result<_, _>>()?),
            (libc::SYS_tkill, vec![rule(parent, 1)?]),
            (libc::SYS_tgkill, vec![rule(parent, 2)?]),
            (libc::SYS_rt_sigqueueinfo, vec![rule(parent, 1)?]),
        ]))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::net::UdpSocket;
    use std::os::unix::process::parent_id;

    use super::{Confinement, confine};

    /// The restrictions hold for one thread, so that the test's other threads go on.
    #[test]
    fn a_confined_thread_writes_to_its_folder_only_and_has_no_network() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (written, refused, bound, missing) = std::thread::scope(|scope| {
            let confined = scope.spawn(|| {
                let parent = i32::try_from(parent_id()).unwrap();
                let missing = confine(&Confinement { writable: &[inside.path()], parent });
                let written = fs::write(inside.path().join("file"), "text").is_ok();
                let refused = fs::write(outside.path().join("file"), "text").is_err();
                (written, refused, UdpSocket::bind("127.0.0.1:0").is_ok(), missing)
            });
            confined.join().unwrap()
        });
        let is_missing = |what: &str| missing.contains(&what);
        assert!(written, "{missing:?}");
        assert_ne!(refused, is_missing("write outside their folders"), "{missing:?}");
        assert_eq!(bound, is_missing("use the network and trace other processes"), "{missing:?}");
        // What is not confined goes on as before.
        fs::write(outside.path().join("other"), "text").unwrap();
    }
}
