//! Landlock: which files may be written to, and whom a trial may signal.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, LandlockStatus, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};

/// The newest Landlock ABI that this file uses; older kernels enforce what they support.
const NEWEST: ABI = ABI::V7;

/// Files outside its folder that a trial may write to; they discard all data.
const SINKS: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

/// Restricts writing to these files and folders. Returns what the kernel cannot enforce.
pub(super) fn restrict_writes(writable: &[&Path]) -> Vec<&'static str> {
    let enforced = match apply_ruleset(writable) {
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

fn apply_ruleset(writable: &[&Path]) -> Result<RestrictionStatus, RulesetError> {
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
