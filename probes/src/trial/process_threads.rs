//! The threads of this process, as the kernel lists them.

use std::collections::BTreeMap;
use std::time::Duration;

use wsgiaudit_probes_core::process_stat::parse_waiting_call;

/// Returns the names of this process's threads by id (proc(5), `/proc/pid/task/tid/comm`).
pub(super) fn thread_names() -> BTreeMap<String, String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
            Some((task.file_name().to_string_lossy().into_owned(), name.trim_end().to_owned()))
        })
        .collect()
}

/// Number of threads of this process; `None` if it cannot be determined.
pub(super) fn count_threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// Whether all threads of this process but the calling one wait in a system call for something other than
/// memory for which `is_watched` holds. Threads about to wait get a moment.
pub(super) fn do_others_sleep(is_watched: impl Fn(usize) -> bool) -> bool {
    // SAFETY: gettid cannot fail.
    let own = unsafe { libc::gettid() }.to_string();
    (0..5).any(|attempt| {
        std::thread::sleep(Duration::from_millis(attempt));
        thread_names().into_keys().filter(|id| *id != own).all(|id| {
            let call = std::fs::read_to_string(format!("/proc/self/task/{id}/syscall")).unwrap_or_default();
            parse_waiting_call(&call).is_some_and(|arguments| !arguments.into_iter().any(&is_watched))
        })
    })
}
