//! The report's own types.

use std::collections::BTreeMap;

use super::{ApplicationRow, DecidedBy, ExerciseRow};
use crate::model::{Deployment, Facts, FileKind, Finding, Judgement, Mode, PythonFinding, Trial, Upgrade};

/// The result of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was audited.
    pub python: Option<Python>,
    /// The free-threaded Python of a second environment, where there is one.
    pub free_threaded: Option<Python>,
    /// The modes tried, the control first.
    pub modes: Vec<Mode>,
    /// What was asked about.
    pub decided_by: DecidedBy,
    /// Worst first in own-gil, then by name.
    pub distributions: Vec<DistributionRow>,
    /// By file.
    pub modules: Vec<ModuleRow>,
    /// Root causes by mode, the ones that block most first.
    pub blockers: BTreeMap<Mode, Vec<Blocker>>,
    /// Applications, in the order they were named.
    pub applications: Vec<ApplicationRow>,
    /// Scripts that were run in each mode, in the order they were named.
    pub exercises: Vec<ExerciseRow>,
    /// The Apache that the environment is for.
    pub deployment: Option<Deployment>,
    /// Faults of the Python itself, by mode.
    pub python_findings: Vec<PythonFinding>,
    /// What a reader must know: sentences.
    pub notes: Vec<String>,
    /// What was left out or could not be read: while there is any, the audit is incomplete.
    pub trouble: Vec<String>,
}

/// The interpreter that was audited.
#[derive(Clone, Debug)]
pub struct Python {
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
    /// What importing it means.
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
    /// That folder.
    pub folder: String,
    /// The file's SHA-256, in hexadecimal, of an extension module.
    pub sha256: Option<String>,
    /// The distribution that claims it.
    pub distribution: Option<String>,
    /// What the file is.
    pub kind: FileKind,
    /// What it declares.
    pub facts: Facts,
    /// How its trials ended.
    pub trials: BTreeMap<Mode, Trial>,
    /// Its verdicts.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// The same module's file for the free-threaded build, where that is another environment's.
    pub other_build: Option<OtherBuild>,
    /// What else was found.
    pub findings: Vec<Finding>,
}

/// A module's file for another build of Python.
#[derive(Clone, Debug)]
pub struct OtherBuild {
    /// Relative to the folder on `sys.path` that it was found below.
    pub file: String,
    /// What it declares.
    pub facts: Facts,
}

/// What stands in the way in one mode: the root modules of one distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The distribution that the root modules belong to; `None` for the standard library and unclaimed files.
    pub distribution: Option<String>,
    /// Root modules.
    pub roots: Vec<Root>,
    /// Distributions that are blocked or unsafe through it, itself aside.
    pub blocks: Vec<Blocked>,
    /// What newer versions declare, where that was asked.
    pub upgrade: Option<Upgrade>,
}

/// A module at the root of failures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// Its name.
    pub module: String,
    /// What it does, in one line.
    pub what: String,
    /// The rule's id.
    pub rule: &'static str,
}

/// A distribution that another one's root cause stands in the way of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocked {
    /// Its name.
    pub distribution: String,
    /// The imports that lead to the root, outermost first.
    pub chain: Vec<String>,
    /// Distributions whose root causes are in its way beside this one, its own included: by what was tried,
    /// and by what the modules that it loads in the control declare. Empty: nothing else is known to be in
    /// its way.
    pub also_needs: Vec<String>,
}
