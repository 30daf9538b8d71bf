//! What is known of one run.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use super::{addresses, ids, names, times};

/// The time by both clocks, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::trial) struct Clock {
    /// Since 1970.
    pub(super) epoch: f64,
    /// Since the machine came up, which Python's `time.monotonic` tells.
    pub(super) uptime: f64,
}

impl Clock {
    /// Now.
    pub(in crate::trial) fn now() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let uptime = clock_gettime(ClockId::Monotonic);
        #[expect(clippy::cast_precision_loss, reason = "a second's part is exact enough")]
        let uptime = uptime.tv_sec as f64 + uptime.tv_nsec as f64 / 1e9;
        Self { epoch, uptime }
    }
}

/// One run of something: what it says of these is true of no other run.
#[derive(Clone, Debug)]
pub(in crate::trial) struct Run {
    /// The audit's own folder, as it is written, with links followed too.
    pub(super) scratch: Vec<String>,
    /// The environment, whose path stays as it is: the document has a name for it.
    pub(super) environment: Vec<String>,
    /// Numbers of its processes and threads.
    pub(super) ids: BTreeSet<u64>,
    /// When it can have looked at a clock, from and to.
    pub(super) time: [Clock; 2],
}

impl Run {
    /// A run that has just ended, of something in the environment of this python.
    pub(in crate::trial) fn new(scratch: &Path, python: &Path, ids: BTreeSet<u64>, began: Clock) -> Self {
        let environment = python.parent().and_then(Path::parent).map(written).unwrap_or_default();
        Self { scratch: written(scratch), environment, ids, time: [began, Clock::now()] }
    }

    /// The text without what differs in each run.
    pub(in crate::trial) fn hide(&self, text: &str) -> String {
        let found = self.environment.iter().find_map(|path| Some((path, text.split_once(path.as_str())?)));
        if let Some((path, (before, after))) = found {
            return self.hide(before) + path + &self.hide(after);
        }
        let text = names::hide(self, text);
        let text = times::hide(self, text);
        addresses::hide(&ids::hide(self, text))
    }
}

/// The ways that a folder's path is written, with links followed too. None for the root folder.
fn written(folder: &Path) -> Vec<String> {
    let all = [Some(folder.to_owned()), folder.canonicalize().ok()].into_iter().flatten();
    let mut all: Vec<String> = all.map(|path| path.to_string_lossy().into_owned()).collect();
    all.retain(|path| path.len() > 1);
    all.sort_by_key(|path| std::cmp::Reverse(path.len()));
    all.dedup();
    all
}
