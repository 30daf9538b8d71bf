//! Child processes, and descendants whose parents have ended.

use rustix::process::{Pid, getpid, set_child_subreaper};
use wsgiaudit_probes_core::process_stat::list_children;

/// Makes this process the parent of descendants whose own parents end.
pub(in crate::platform) fn adopt_orphans() {
    let _ = set_child_subreaper(getpid().into());
}

/// The child processes of this process.
pub(in crate::platform) fn child_processes() -> Vec<Pid> {
    list_children().into_iter().filter_map(Pid::from_raw).collect()
}
