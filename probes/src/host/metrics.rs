//! Reads the metrics of the groups and of the process.

use std::sync::atomic::Ordering;

use wsgiaudit_probes_core::metrics::{GroupMetrics, ProcessMetrics};

use super::process_usage::read_usage;
use super::server_state::ServerState;

/// Reads the metrics of all groups that started.
pub(super) fn read_groups(server: &ServerState) -> Vec<GroupMetrics> {
    let groups = server.groups.iter();
    groups.map(|group| GroupMetrics::read_meter(&group.name, group.mode, &group.meter)).collect()
}

/// Reads the metrics of this process.
pub(super) fn read_process(server: &ServerState) -> ProcessMetrics {
    let usage = read_usage();
    ProcessMetrics {
        cpu_seconds: usage.cpu_user + usage.cpu_system,
        resident_bytes: usage.memory,
        rejected_requests: server.rejected.load(Ordering::Relaxed),
        failed_handshakes: server.failed_handshakes.total(),
        open_requests: server.open.load(Ordering::Relaxed),
        uptime_seconds: server.started.elapsed().as_secs_f64(),
    }
}
