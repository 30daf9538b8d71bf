//! Trials: imports each subject in child processes and turns the evidence into outcomes.
//!
//! A worker keeps a zygote, a Python process that forks one child for each trial. There are two sources of
//! evidence: the record that the probes write inside the child, and how the child ended. The module
//! `interpret` turns both into an [`Outcome`](crate::model::Outcome); nothing else in this module judges.

mod batch;
mod collect_output;
mod control;
mod crash;
mod diagnostic_runs;
mod failure_cause;
mod free_threaded;
mod inferred_refusal;
mod inputs;
mod interpret;
mod loads;
mod normalize;
mod probe_library;
mod python_faults;
mod record;
mod sandbox_support;
mod schedule;
mod search_path;
mod session;
mod sub_interpreters;
mod worker;
mod writable_hint;

/// Placeholder for the audit's scratch folder, in texts and in the report.
pub const SCRATCH: &str = "{scratch}";

/// The protocol between auditor and probes. Both compile the same file, so they cannot disagree.
#[path = "../../probes/src/protocol.rs"]
mod protocol;

/// The sandbox of trials. The probes compile the same file.
#[path = "../../probes/src/sandbox.rs"]
mod sandbox;

pub use diagnostic_runs::{DiagnosticMode, DiagnosticRuns};
pub use free_threaded::run_free_threaded;
pub use inputs::TrialInputs;
pub use normalize::hide_addresses;
pub use probe_library::{ProbeLibrary, probes_digest};
pub use sandbox_support::{find_unenforced_limits, run_confined};
pub use schedule::{ProgressListener, TrialConfig, TrialSubject, Trials, run_trials};
pub use search_path::SearchPath;
pub use worker::{StopFlag, StressTest, TrialLimits, sweep_orphans};
pub use writable_hint::suggest_writable_option;
