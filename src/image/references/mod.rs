//! Finds code that refers to given addresses: scans all code of a file, and tracks how computed addresses are
//! used.
//!
//! A declaration in writable memory is trusted only if no code that was not interpreted can change it.

mod aarch64_decoder;
mod aarch64_scan;
mod address_clusters;
mod address_tracker;
mod code_scan;
mod instruction;
mod reference;
mod scan_cache;
mod x86_decoder;
mod x86_scan;

pub(super) use code_scan::MAX_WRITE_DISTANCE;
pub(super) use reference::{Reference, Usage};
pub(super) use scan_cache::ScanCache;
