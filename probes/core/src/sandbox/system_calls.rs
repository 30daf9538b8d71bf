//! seccomp: the system calls of a trial that fail, have no effect, or end it.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, sock_filter,
};

use super::denied_calls::{DENIED, SyscallRules, WITHOUT_EFFECT, denied_arguments};

/// Applies the filters to the calling thread.
///
/// # Errors
/// If the kernel or the processor does not support them.
pub(super) fn restrict_calls(parent: i32) -> Result<(), seccompiler::Error> {
    let any = |calls: &[i64]| calls.iter().map(|call| (*call, Vec::new())).collect::<SyscallRules>();
    let mut denied = denied_arguments()?;
    denied.extend(any(DENIED));
    // The C library falls back to `clone`, whose flags can be examined.
    let unknown = any(&[libc::SYS_clone3]);
    for (rules, action) in [
        (denied, SeccompAction::Errno(libc::EPERM.cast_unsigned())),
        (unknown, SeccompAction::Errno(libc::ENOSYS.cast_unsigned())),
        (any(WITHOUT_EFFECT), SeccompAction::Errno(0)),
        (fatal_signal_rules(parent)?, SeccompAction::KillProcess),
    ] {
        seccompiler::apply_filter(&build_filter(rules, action)?)?;
    }
    if cfg!(target_arch = "x86_64") {
        seccompiler::apply_filter(&X32_FILTER)?;
    }
    Ok(())
}

fn build_filter(rules: SyscallRules, action: SeccompAction) -> Result<BpfProgram, BackendError> {
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, action, machine)?.try_into()
}

/// Refuses the x32 ABI, which gives every system call of x86-64 another number (`__X32_SYSCALL_BIT`): loads
/// the number, and returns `ENOSYS` if it has that bit.
const X32_FILTER: [sock_filter; 4] = [
    sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
    sock_filter { code: 0x35, jt: 0, jf: 1, k: 0x4000_0000 },
    sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | libc::ENOSYS.cast_unsigned() },
    sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
];

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
        (libc::SYS_rt_tgsigqueueinfo, vec![rule(parent, 2)?]),
    ]))
}
