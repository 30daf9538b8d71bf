//! Reads the metrics of the groups and of the process.

use std::sync::atomic::Ordering;

use wsgiaudit_probes_core::metrics::{GroupMetrics, ProcessMetrics};

use super::process_memory::resident_bytes;
use super::server_state::ServerState;

/// Reads the metrics of all groups that started.
pub(super) fn read_groups(server: &ServerState) -> Vec<GroupMetrics> {
    let groups = server.groups.iter();
    groups.map(|group| GroupMetrics::read_meter(&group.name, group.mode, &group.meter)).collect()
}

/// Reads the metrics of this process.
pub(super) fn read_process(server: &ServerState) -> ProcessMetrics {
    // SAFETY: the kernel fills the structure; all zeros is a valid value.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    ProcessMetrics {
        cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        resident_bytes: resident_bytes(),
        rejected_requests: server.rejected.load(Ordering::Relaxed),
        open_requests: server.open.load(Ordering::Relaxed),
        uptime_seconds: server.started.elapsed().as_secs_f64(),
    }
}
