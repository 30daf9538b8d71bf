//! The sorted result of an audit: everything that a person or a machine is shown is rendered from it.

mod answer;
mod application;
mod assemble;
mod blockers;
mod exercise;
mod join;
mod own;
mod places;
mod rows;
mod stored;
pub mod v1;

pub use answer::{Answer, DecidedBy, Decider, DeciderKind};
pub use application::{ApplicationParts, ApplicationRow, Use, application};
pub use assemble::{Evidence, assemble};
pub use exercise::{ExerciseRow, InMode, MainReply, ModeReply, RequestRow, answered, exercise};
pub use join::{join, normalised};
pub use places::Places;
pub use rows::{Blocked, Blocker, DistributionRow, ModuleRow, NameRow, OtherBuild, Python, Report, Root};
pub use stored::NotAReport;
pub use v1::{Declarations, Document};
