//! Values that belong to one run.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use wsgiaudit_probes_core::protocol::CopyTrees;

use crate::trial::probe_library::LIBRARY_NAME;

/// The time of two clocks, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::trial) struct ClockReading {
    /// Since 1970-01-01.
    pub(super) epoch: f64,
    /// Since the machine started, as in Python's `time.monotonic`.
    pub(super) uptime: f64,
}

impl ClockReading {
    /// Reads both clocks.
    pub(in crate::trial) fn now() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let uptime = clock_gettime(ClockId::Monotonic);
        #[expect(clippy::cast_precision_loss, reason = "a second's part is exact enough")]
        let uptime = uptime.tv_sec as f64 + uptime.tv_nsec as f64 / 1e9;
        Self { epoch, uptime }
    }
}

/// Values of one run that differ in every other run.
#[derive(Clone, Debug)]
pub(in crate::trial) struct RunInfo {
    /// Spellings of the audit's scratch folder, with and without symbolic links.
    pub(super) scratch: Vec<String>,
    /// Name of the probes' library, a random one.
    pub(super) library: String,
    /// Spellings of the environment's path. It is not hidden, because the report has a placeholder for it.
    pub(super) environment: Vec<String>,
    /// The trees of private copies, if there are any.
    pub(super) copies: Option<CopyTrees>,
    /// Ids of its processes and threads.
    pub(super) ids: BTreeSet<u64>,
    /// Start and end of the run.
    pub(super) time: [ClockReading; 2],
}

impl RunInfo {
    /// A run that has just ended, in the environment of this Python, with this library of the probes.
    pub(in crate::trial) fn new(
        scratch: &Path,
        python: &Path,
        library: &Path,
        copies: Option<&CopyTrees>,
        ids: BTreeSet<u64>,
        began: ClockReading,
    ) -> Self {
        let environment = python.parent().and_then(Path::parent).map(path_spellings).unwrap_or_default();
        Self {
            scratch: path_spellings(scratch),
            library: library.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            environment,
            copies: copies.cloned(),
            ids,
            time: [began, ClockReading::now()],
        }
    }

    /// The name under which reports show a shared object: the probes' library has one of its own.
    pub(in crate::trial) fn shown_object(&self, name: String) -> String {
        if name == self.library { LIBRARY_NAME.to_owned() } else { name }
    }
}

/// The path of a folder as given and with symbolic links resolved, longest first. Empty for the root folder.
fn path_spellings(folder: &Path) -> Vec<String> {
    let all = [Some(folder.to_owned()), folder.canonicalize().ok()].into_iter().flatten();
    let mut all: Vec<String> = all.map(|path| path.to_string_lossy().into_owned()).collect();
    all.retain(|path| path.len() > 1);
    all.sort_by_key(|path| std::cmp::Reverse(path.len()));
    all.dedup();
    all
}
