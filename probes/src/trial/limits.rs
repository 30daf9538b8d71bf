//! What a trial may use up: generous, since an import that is stopped by a limit has shown nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use super::child::Who;
use crate::protocol::Order;

/// Bytes of one file.
const LARGEST_FILE: u64 = 512 << 20;

/// Bytes that all files of a folder may take on disk, and how many they may be.
const LARGEST_FOLDER: u64 = 1 << 30;
const MOST_FILES: usize = 20_000;

/// Bytes of private memory that can be written, and of address space.
const MEMORY: u64 = 8 << 30;
const ADDRESS_SPACE: u64 = 64 << 30;

/// Processes and threads on top of those that the user runs already. The kernel does not hold root to it.
const PROCESSES: u64 = 2048;

/// Limits that stay without a sandbox too.
pub(super) fn files() {
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_FSIZE, LARGEST_FILE);
}

/// Limits of memory, processors and processes; and where memory runs out, the trial goes first.
pub(super) fn resources(order: &Order, who: Who) {
    limit(libc::RLIMIT_DATA, MEMORY);
    limit(libc::RLIMIT_AS, ADDRESS_SPACE);
    limit(libc::RLIMIT_NPROC, tasks() + PROCESSES);
    // A zygote has no deadline that would end it first.
    if who != Who::Zygote {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
        limit(libc::RLIMIT_CPU, (order.deadline / 1000 + 1) * processors + 1);
    }
    drop(fs::write("/proc/self/oom_score_adj", "1000"));
}

#[cfg(target_os = "linux")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_os = "linux"))]
type Resource = libc::c_int;

fn limit(resource: Resource, most: u64) {
    // SAFETY: reads and lowers a limit of our own process.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        libc::getrlimit(resource, &raw mut limit);
        limit.rlim_max = limit.rlim_max.min(most);
        limit.rlim_cur = limit.rlim_cur.min(most);
        libc::setrlimit(resource, &raw const limit);
    }
}

/// Processes and threads of this user, counted once in a zygote and all that it forks (`/proc/PID/stat`, twentieth field).
pub(super) fn tasks() -> u64 {
    static COUNTED: OnceLock<u64> = OnceLock::new();
    *COUNTED.get_or_init(|| {
        // SAFETY: reads a number of our own process.
        let own = unsafe { libc::getuid() };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let threads = |entry: fs::DirEntry| {
            let is_own = entry.metadata().is_ok_and(|metadata| metadata.uid() == own);
            let stat = is_own.then(|| fs::read_to_string(entry.path().join("stat")).ok()).flatten()?;
            stat.rsplit(") ").next()?.split(' ').nth(17)?.parse::<u64>().ok()
        };
        processes.filter_map(threads).sum()
    })
}

/// Whether more lies in a trial's folder than may.
pub(super) fn is_overfull(folder: &Path) -> bool {
    let (mut bytes, mut files) = (0, 0);
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            bytes += metadata.blocks() * 512;
            if bytes > LARGEST_FOLDER || files > MOST_FILES {
                return true;
            }
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    false
}
