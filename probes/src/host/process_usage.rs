//! The use of processors and memory by this process.

use wsgiaudit_probes_core::process_stat::parse_resident_pages;
use wsgiaudit_probes_core::telemetry::report::ProcessUsage;

/// Resident memory in bytes.
pub(super) fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = parse_resident_pages(&text).unwrap_or(0);
    // SAFETY: reads a constant.
    pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Reads the process's use of processors and memory.
pub(super) fn read_usage() -> ProcessUsage {
    // SAFETY: the kernel fills the structure; all zeros is a valid value.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let memory = resident_bytes();
    ProcessUsage {
        cpu_user: seconds(usage.ru_utime),
        cpu_system: seconds(usage.ru_stime),
        memory,
        // Linux counts it in KiB.
        memory_maximum: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024).max(memory),
    }
}
