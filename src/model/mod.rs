//! The nouns of an audit. No I/O, no wire format (beside the names of modes and verdicts), no opinions: every other folder imports these and they
//! import nothing.

mod application;
mod deployment;
mod environment;
mod facts;
mod finding;
mod mode;
mod module;
mod outcome;
mod reason;
mod reply;
mod upgrade;
mod verdict;

pub use application::{
    NOT_THERE, PathChange, Reached, SourceHazard, Sources, Spot, VariableUse, Way, Weight,
};
pub use deployment::{ConfigPlace, DaemonProcess, Deployment, DeploymentFinding, Landing, ModulePath};
pub use environment::{Distribution, EDITABLE_VARIABLES, Environment, Interpreter};
pub use facts::{Declared, Doubt, Facts, Hazard, HazardKind, Initialisation, Slot, Target, slot};
pub use finding::{Finding, PythonFinding};
pub use mode::Mode;
pub use module::{FileKind, Module};
pub use outcome::{
    Crash, Death, Load, NotRun, Outcome, Place, PythonError, Refuser, Running, SharedObject, Site, Trial,
};
pub use reason::ReasonId;
pub use reply::{Reply, ReplyEnd};
pub use upgrade::Upgrade;
pub use verdict::{Cause, Judgement, Verdict};
