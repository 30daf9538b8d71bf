//! The data types of an audit. They hold no I/O, no judgement, and no wire format except the names of modes
//! and verdicts. Every other folder imports them; they import nothing of this crate.

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
    HazardWeight, ImportKind, NOT_THERE, PathChange, ReachedModule, SourceAnalysis, SourceHazard,
    SourceLocation, VariableUse,
};
pub use deployment::{
    ConfigLocation, DaemonProcess, Deployment, DeploymentFinding, PythonPathOptions, ScriptMount,
};
pub use environment::{EDITABLE_VARIABLES, Environment, InstalledDistribution, Interpreter};
pub use facts::{
    BinaryFacts, BinaryHazard, BinaryHazardKind, Doubt, InitKind, Slot, SlotDeclaration, TargetPython, slot,
};
pub use finding::{ModuleFinding, PythonDefect};
pub use mode::Mode;
pub use module::{ExtensionFile, ExtensionFileKind};
pub use outcome::{
    AbnormalExit, CrashLocation, CrashReport, LoadedModuleDef, ModuleLoad, NotRunReason, PythonError,
    Refuser, SharedPythonObject, Trial, TrialOutcome, TrialPhase,
};
pub use reason::ReasonId;
pub use reply::{Reply, ReplyKind};
pub use upgrade::AvailableUpgrade;
pub use verdict::{Judgement, RootCause, Verdict};
