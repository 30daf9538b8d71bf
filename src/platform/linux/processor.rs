//! The processor.

use std::fs;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Describes the processor's features, by which libraries choose code: a line of `/proc/cpuinfo` (proc(5)).
pub fn describe_processor() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = processor.lines();
    lines
        .find(|line| line.starts_with("flags") || line.starts_with("Features"))
        .unwrap_or_default()
        .to_owned()
}

/// Runs `work` on a thread of its own that may use only the first `count` of the processors that this process may use, and
/// so may the processes that `work` starts.
///
/// # Errors
/// When the system refuses it, or `work` panics.
pub fn run_on_processors<T: Send>(count: usize, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let allowed = sched_getaffinity(None)?;
            let mut chosen = CpuSet::new();
            let all = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor));
            all.take(count).for_each(|processor| chosen.set(processor));
            sched_setaffinity(None, &chosen)?;
            Ok(work())
        });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
    })
}
