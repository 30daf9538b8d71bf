//! The threads of this process, as the kernel lists them.

use std::collections::BTreeMap;

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
