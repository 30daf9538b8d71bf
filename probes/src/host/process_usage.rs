//! Resident memory of this process.

use wsgiaudit_probes_core::process_stat::parse_resident_pages;

/// Resident memory in bytes.
pub(super) fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = parse_resident_pages(&text).unwrap_or(0);
    // SAFETY: reads a constant.
    pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}
