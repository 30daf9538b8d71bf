//! The data types of an audit. They hold no I/O and no judgement. Where a document stores one of them, its
//! names in JSON are part of the schema: values and fields are added, never changed or removed. Every other
//! folder imports these types; they import nothing of this crate.

mod application;
mod deployment;
mod environment;
mod extension_suffix;
mod facts;
mod finding;
mod isolation;
mod judgement;
mod mode;
mod module;
mod outcome;
mod phase;
mod reply;
mod rule;
mod rule_list;
mod term;
#[cfg(test)]
mod tests;
mod toolchain;
mod upgrade;
mod verdict;

pub use application::{
    HazardWeight, ImportKind, PathChange, ReachedModule, SourceAnalysis, SourceHazard, SourceLocation,
    UnresolvedImport, VariableUse,
};
pub use deployment::{
    ConfigLocation, DaemonProcess, Deployment, DeploymentFinding, PythonPathOptions, ScriptMount,
};
pub use environment::{EDITABLE_VARIABLES, Environment, InstalledDistribution, Interpreter};
pub use extension_suffix::{split_extension_suffix, tag_of_suffix};
pub use facts::{BinaryFacts, BinaryHazard, Doubt, InitKind, Slot, SlotDeclaration, TargetPython};
pub use finding::{ModuleFinding, PythonDefect};
pub use isolation::{IsolationBreach, IsolationDoubt};
pub use judgement::{Judgement, RootCause};
pub use mode::Mode;
pub use module::{ExtensionFile, ExtensionFileClass, ExtensionFileKind};
pub use outcome::{
    AbnormalExit, CrashLocation, CrashReport, LoadedModuleDef, ModuleLoad, NotRunReason, OutcomeKind,
    PythonError, Refuser, SharedPythonObject, Trial, TrialOutcome,
};
pub use phase::TrialPhase;
pub use reply::{Reply, ReplyKind};
pub use rule::{Confidence, Rule, Severity};
pub use rule_list::{RULES, ReasonId, RuleId};
pub use term::Term;
pub use toolchain::Toolchain;
pub use upgrade::AvailableUpgrade;
pub use verdict::Verdict;
