//! Trials: imports each subject in child processes and turns the evidence into outcomes.
//!
//! A worker keeps a zygote, a Python process that forks one child for each trial. There are two sources of
//! evidence: the record that the probes write inside the child, and how the child ended. `outcome` turns both
//! into a [`TrialOutcome`](crate::model::TrialOutcome), `interpret` into the whole [`Trial`](crate::model::Trial);
//! nothing else in this module judges.

mod attempt;
mod batch;
mod bytecode;
mod collect_output;
mod config;
mod control;
mod crash;
mod diagnostic_runs;
mod environment;
mod failure_cause;
mod free_threaded;
mod inferred_refusal;
mod inputs;
mod interpret;
mod isolation;
mod last_phase;
mod loads;
mod normalize;
mod outcome;
mod parallel;
mod probe_library;
mod python_faults;
mod record;
mod reply_reader;
mod schedule;
mod search_path;
mod session;
mod shared_objects;
mod stop_flag;
mod sub_interpreters;
mod trials;
mod worker;
mod writable_hint;

/// Placeholder for the audit's scratch folder, in texts and in the report.
pub const SCRATCH: &str = "{scratch}";

pub use bytecode::BytecodeFolders;
pub use config::{StressTest, TrialConfig, TrialLimits};
pub use diagnostic_runs::{DiagnosticMode, DiagnosticRuns};
pub use free_threaded::run_free_threaded;
pub use inputs::TrialInputs;
pub use normalize::hide_addresses;
pub use parallel::ProgressListener;
pub use probe_library::{ProbeLibrary, probes_digest};
pub use schedule::run_trials;
pub use search_path::SearchPath;
pub use stop_flag::StopFlag;
pub use trials::{TrialSubject, Trials};
pub use writable_hint::suggest_writable_option;
