//! Trials: one child process for each, forked from a zygote, witnessed twice, judged by nobody here but
//! [`read`](read::read), which turns what the witnesses say into an [`Outcome`](crate::model::Outcome).

mod collect;
mod company;
mod control;
mod crash;
mod culprit;
mod denied;
mod desk;
mod free_threaded;
mod given;
mod library;
mod loads;
mod once_more;
mod protection;
mod read;
mod record;
mod refused;
mod schedule;
mod search_path;
mod standard_library;
mod sub_interpreters;
mod varying;
mod worker;

/// What stands for the audit's own folder, in texts and in a document.
pub const SCRATCH: &str = "{scratch}";

/// What auditor and probes say to each other: the probes' own file, so that the two cannot disagree.
#[path = "../../probes/src/protocol.rs"]
mod protocol;

/// What a trial may not do: the probes' own file too.
#[path = "../../probes/src/sandbox.rs"]
mod sandbox;

pub use denied::way_to_write;
pub use free_threaded::run_free_threaded;
pub use given::Given;
pub use library::{Library, probes};
pub use once_more::{Again, OnceMore};
pub use protection::{confined, unenforced};
pub use schedule::{Listener, Subject, Trials, Trying, run};
pub use search_path::SearchPath;
pub use varying::hide_addresses;
pub use worker::{Limits, Stop, Storm, sweep_orphans};
