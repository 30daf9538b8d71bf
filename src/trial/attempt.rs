//! What one child process left behind: its record, its output, and how it ended.

use serde::{Deserialize, Serialize};
use wsgiaudit_probes_core::protocol::{ProcessExit, TrialEvent};

use crate::model::CrashReport;

/// What one child process left behind: the evidence of a trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// Events of the record.
    pub(super) events: Vec<TrialEvent>,
    /// How the child ended; `None` for a zygote that imported its subject and still runs.
    pub(super) end: Option<ProcessExit>,
    /// The end of its output.
    pub(super) printed: String,
    /// Where it crashed, if a fatal signal ended it.
    pub(super) crash: Option<CrashReport>,
    /// Paths that the child read from disk, if they were watched, each with the number of events before it.
    #[serde(skip)]
    pub(super) touched: Vec<(usize, String)>,
    /// Sources that the child compiled, if that was watched.
    #[serde(skip)]
    pub(super) compiled: Vec<String>,
}

impl Attempt {
    /// The attempt of a child that recorded these events, printed nothing and exited with 0.
    pub(super) fn from_events(events: Vec<TrialEvent>) -> Self {
        let end = Some(ProcessExit::Exit(0));
        Self { events, end, printed: String::new(), crash: None, touched: Vec::new(), compiled: Vec::new() }
    }

    /// Whether SIGKILL ended the child: by itself, another process or the system (out of memory).
    pub(super) fn was_killed(&self) -> bool {
        self.end == Some(ProcessExit::Signal(9))
    }

    /// Whether the child ran in the sandbox.
    pub(super) fn is_confined(&self) -> bool {
        self.events.contains(&TrialEvent::Confined)
    }
}
