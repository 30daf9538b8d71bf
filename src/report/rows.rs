//! The types of the report.

use std::collections::BTreeMap;

use super::{ApplicationRow, DecidedBy, ExerciseRow};
use crate::model::{
    AvailableUpgrade, BinaryFacts, Deployment, ExtensionFileKind, Judgement, Mode, ModuleFinding,
    PythonDefect, Trial,
};

/// The result of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// The interpreter that was audited.
    pub python: Option<AuditedPython>,
    /// The free-threaded Python of a second environment, where there is one.
    pub free_threaded: Option<AuditedPython>,
    /// The modes tried, the control first.
    pub modes: Vec<Mode>,
    /// What the audit was asked about.
    pub decided_by: DecidedBy,
    /// Worst first in own-gil, then by name.
    pub distributions: Vec<DistributionRow>,
    /// By file.
    pub modules: Vec<ModuleRow>,
    /// Root causes by mode, the ones that block most first.
    pub blockers: BTreeMap<Mode, Vec<BlockerRow>>,
    /// Applications, in the order in which they were passed.
    pub applications: Vec<ApplicationRow>,
    /// Scripts that were run in each mode and lists of requests, in the order in which they were passed.
    pub exercises: Vec<ExerciseRow>,
    /// The Apache configuration that the environment is for.
    pub deployment: Option<Deployment>,
    /// Defects of the Python interpreter itself, by mode.
    pub python_findings: Vec<PythonDefect>,
    /// Notes for the reader, in sentences.
    pub notes: Vec<String>,
    /// What was left out or could not be read: while there is any, the audit is incomplete.
    pub trouble: Vec<String>,
}

/// The interpreter that was audited.
#[derive(Clone, Debug)]
pub struct AuditedPython {
    /// E.g. `3.14.7`.
    pub release: String,
    /// E.g. `cpython-314-x86_64-linux-gnu`.
    pub abi: String,
    /// E.g. `linux-x86_64`.
    pub platform: String,
    /// Built with `--disable-gil`.
    pub free_threaded: bool,
}

/// A distribution's row.
#[derive(Clone, Debug)]
pub struct DistributionRow {
    /// Its name; `None` gathers the modules that no distribution claims.
    pub name: Option<String>,
    /// Its version.
    pub version: String,
    /// How many extension modules it has.
    pub modules: usize,
    /// What they declare, summed up.
    pub declaration: String,
    /// Its top-level names.
    pub top_level: Vec<NameRow>,
    /// Its verdicts.
    pub judgements: BTreeMap<Mode, Judgement>,
}

/// A top-level name's row.
#[derive(Clone, Debug)]
pub struct NameRow {
    /// Dotted name.
    pub name: String,
    /// How its trials ended.
    pub trials: BTreeMap<Mode, Trial>,
    /// Its verdicts.
    pub judgements: BTreeMap<Mode, Judgement>,
}

/// An extension module's row.
#[derive(Clone, Debug)]
pub struct ModuleRow {
    /// Dotted name.
    pub name: String,
    /// Relative to the folder on `sys.path` that it was found below.
    pub file: String,
    /// The folder on `sys.path` that it was found below.
    pub folder: String,
    /// The file's SHA-256, in hexadecimal, of an extension module.
    pub sha256: Option<String>,
    /// The distribution that claims it.
    pub distribution: Option<String>,
    /// What the file is.
    pub kind: ExtensionFileKind,
    /// What it declares.
    pub facts: BinaryFacts,
    /// How its trials ended.
    pub trials: BTreeMap<Mode, Trial>,
    /// Its verdicts.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// The same module's file for the free-threaded build, if that is in another environment.
    pub other_build: Option<OtherBuild>,
    /// Findings for its maintainer.
    pub findings: Vec<ModuleFinding>,
}

/// A module's file for another build of Python.
#[derive(Clone, Debug)]
pub struct OtherBuild {
    /// Relative to the folder on `sys.path` that it was found below.
    pub file: String,
    /// What it declares.
    pub facts: BinaryFacts,
}

/// What blocks distributions in one mode: the root modules of one distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockerRow {
    /// The distribution that the root modules belong to; `None` for the standard library and unclaimed files.
    pub distribution: Option<String>,
    /// Root modules.
    pub roots: Vec<BlockerRoot>,
    /// Other distributions that are blocked or unsafe because of it.
    pub blocks: Vec<BlockedDistribution>,
    /// What newer versions declare, if that was asked.
    pub upgrade: Option<AvailableUpgrade>,
}

/// A module that is the root cause of failures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockerRoot {
    /// Its name.
    pub module: String,
    /// What it does, in one line.
    pub what: String,
    /// The rule's id.
    pub rule: &'static str,
}

/// A distribution that another one's root cause blocks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockedDistribution {
    /// Its name.
    pub distribution: String,
    /// The imports that lead to the root, outermost first.
    pub chain: Vec<String>,
    /// Distributions with other root causes that block it, itself included: known from trials, and from what
    /// the modules declare that it loads in the control. Empty if nothing else is known to block it.
    pub also_needs: Vec<String>,
}
