//! Resource limits of a trial. They are generous, since an import stopped by a limit shows nothing about the
//! subject.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use wsgiaudit_probes_core::process_stat::{ProcessStat, sum_kilobytes};

/// Maximum size of a file, in bytes.
const MAX_FILE_SIZE: u64 = 512 << 20;

/// Maximum disk usage of a trial's folder, in bytes.
const MAX_FOLDER_SIZE: u64 = 1 << 30;

/// Maximum number of files in a trial's folder.
const MAX_FILES: usize = 20_000;

/// Maximum memory of a trial, in bytes: private and writable of each process, and of all of them together.
const MAX_MEMORY: u64 = 8 << 30;

/// Maximum address space, in bytes.
const MAX_ADDRESS_SPACE: u64 = 64 << 30;

/// Maximum number of processes and threads, in addition to those the user runs already. The kernel exempts
/// root.
const MAX_PROCESSES: u64 = 2048;

/// Sets the limits that apply without a sandbox too.
pub(super) fn limit_files() {
    lower_limit(libc::RLIMIT_CORE, 0);
    lower_limit(libc::RLIMIT_FSIZE, MAX_FILE_SIZE);
}

/// Limits memory, processes and, if there is a deadline (in milliseconds), processor time. Makes the process
/// the first victim of the OOM killer.
pub(super) fn limit_resources(deadline: Option<u64>) {
    lower_limit(libc::RLIMIT_DATA, MAX_MEMORY);
    lower_limit(libc::RLIMIT_AS, MAX_ADDRESS_SPACE);
    lower_limit(libc::RLIMIT_NPROC, count_user_tasks() + MAX_PROCESSES);
    if let Some(deadline) = deadline {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
        lower_limit(libc::RLIMIT_CPU, (deadline / 1000 + 1) * processors + 1);
    }
    drop(fs::write("/proc/self/oom_score_adj", "1000"));
}

#[cfg(target_os = "linux")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_os = "linux"))]
type Resource = libc::c_int;

fn lower_limit(resource: Resource, most: u64) {
    // SAFETY: reads and lowers a limit of our own process.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        libc::getrlimit(resource, &raw mut limit);
        limit.rlim_max = limit.rlim_max.min(most);
        limit.rlim_cur = limit.rlim_cur.min(most);
        libc::setrlimit(resource, &raw const limit);
    }
}

/// Counts the processes and threads of this user, once for a zygote and all its children.
pub(super) fn count_user_tasks() -> u64 {
    static COUNTED: OnceLock<u64> = OnceLock::new();
    *COUNTED.get_or_init(|| {
        // SAFETY: reads the id of the user.
        let own = unsafe { libc::getuid() };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let threads = |entry: fs::DirEntry| {
            let is_own = entry.metadata().is_ok_and(|metadata| metadata.uid() == own);
            let stat = is_own.then(|| fs::read_to_string(entry.path().join("stat")).ok()).flatten()?;
            Some(ProcessStat::parse(&stat)?.threads)
        };
        processes.filter_map(threads).sum()
    })
}

/// Whether a trial's folder exceeds the limits, together with the files without a name that its processes have
/// open. A folder whose path is too long to be read counts as one that does.
pub(super) fn is_overfull(folder: &Path, processes: &[i32]) -> bool {
    let (mut bytes, mut files) = unlinked_files(processes);
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::InvalidFilename => return true,
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            bytes += metadata.blocks() * 512;
            if bytes > MAX_FOLDER_SIZE || files > MAX_FILES {
                return true;
            }
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    bytes > MAX_FOLDER_SIZE
}

/// Size on disk, and number, of the files without a name that these processes have open.
fn unlinked_files(processes: &[i32]) -> (u64, usize) {
    let open = processes.iter().filter_map(|process| fs::read_dir(format!("/proc/{process}/fd")).ok());
    let files = open.flatten().flatten().filter_map(|entry| fs::metadata(entry.path()).ok());
    let unlinked = files.filter(|metadata| metadata.is_file() && metadata.nlink() == 0);
    let sizes: BTreeMap<(u64, u64), u64> =
        unlinked.map(|metadata| ((metadata.dev(), metadata.ino()), metadata.blocks() * 512)).collect();
    (sizes.values().sum(), sizes.len())
}

/// Whether these processes together use more memory than one of them may: private memory, and memory that they
/// share. What several of them share counts once.
pub(super) fn uses_too_much_memory(processes: &[i32]) -> bool {
    let sum = |file: &str, names: &[&str]| {
        let texts =
            processes.iter().filter_map(|process| fs::read_to_string(format!("/proc/{process}/{file}")).ok());
        texts.map(|text| sum_kilobytes(&text, names)).sum::<u64>() * 1024
    };
    // The proportional sizes are exact, and slow to read.
    sum("status", &["RssAnon:", "RssShmem:"]) > MAX_MEMORY
        && sum("smaps_rollup", &["Pss_Anon:", "Pss_Shmem:"]) > MAX_MEMORY
}
