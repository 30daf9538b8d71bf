//! How to run the trials of an audit.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use wsgiaudit_probes_core::protocol::CopyTrees;

use super::bytecode::BytecodeFolders;
use super::inputs::TrialInputs;
use super::probe_library::ProbeLibrary;
use super::search_path::SearchPath;
use super::stop_flag::StopFlag;
use crate::cache::TrialCache;

/// How to run trials.
#[derive(Debug)]
pub struct TrialConfig<'a> {
    /// The environment's Python.
    pub python: &'a Path,
    /// The library of the probes.
    pub library: &'a ProbeLibrary,
    /// The audit's scratch folder.
    pub scratch: &'a Path,
    /// Limits of each trial.
    pub limits: TrialLimits,
    /// The user's inputs to trials.
    pub given: &'a TrialInputs,
    /// Number of parallel workers.
    pub jobs: NonZeroUsize,
    /// Environment variables on top of the cleaned environment.
    pub variables: &'a [(&'a str, &'a str)],
    /// Python options on top of those that isolate it, such as `-X gil=0`.
    pub options: &'a [&'a str],
    /// Folders that each interpreter adds to its `sys.path`.
    pub path: &'a SearchPath,
    /// Trees of private copies for the mode `own-gil-copies`. Without them, it is not tried.
    pub copies: Option<&'a CopyTrees>,
    /// Set when the user interrupts the audit.
    pub stop: &'a StopFlag,
    /// Bytecode of environments that have none.
    pub bytecode: &'a BytecodeFolders,
    /// Results of earlier audits, if they may be used.
    pub cache: Option<&'a TrialCache>,
}

/// Limits of one trial.
#[derive(Clone, Copy, Debug)]
pub struct TrialLimits {
    /// Wall-clock time limit of one trial.
    pub timeout: Duration,
    /// Whether trials run in the sandbox: no network, no writes outside their folder, no signals to other
    /// processes, and resource limits.
    pub sandbox: bool,
    /// Size of the stress test.
    pub storm: StressTest,
}

/// Size of a stress test: several threads import and use a subject at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StressTest {
    /// Number of threads.
    pub threads: usize,
    /// Number of rounds per thread.
    pub rounds: usize,
}

impl StressTest {
    /// Default: more threads than a small machine has processors, few enough for each to make progress.
    pub const USUAL: Self = Self { threads: 4, rounds: 2 };
    /// For races that show up rarely.
    pub const THOROUGH: Self = Self { threads: 8, rounds: 8 };
}
