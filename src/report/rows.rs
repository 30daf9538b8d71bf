//! The types of the report: the rows with all evidence, from which the document is made.

use std::collections::BTreeMap;

use super::v1::{Blocker, DecidedBy, Inspected, Python, RequestInMode};
use crate::model::{
    BinaryFacts, Deployment, ExtensionFileKind, ImportKind, Judgement, Mode, ModuleFinding, PythonDefect,
    PythonPathOptions, SourceAnalysis, SourceLocation, Trial,
};

/// The result of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// The interpreter that was audited.
    pub python: Option<Python>,
    /// The free-threaded Python of a second environment, where there is one.
    pub free_threaded: Option<Python>,
    /// The modes tried, the control first.
    pub modes: Vec<Mode>,
    /// What the audit was asked about.
    pub decided_by: DecidedBy,
    /// Worst first in own-gil, then by name.
    pub distributions: Vec<DistributionRow>,
    /// By file.
    pub modules: Vec<ModuleRow>,
    /// Root causes by mode, the ones that block most first.
    pub blockers: BTreeMap<Mode, Vec<Blocker>>,
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
    /// Its rank among the modules of its distribution, 0 for the most important.
    pub rank: usize,
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
    pub other_build: Option<Inspected>,
    /// Findings for its maintainer.
    pub findings: Vec<ModuleFinding>,
}

/// The report's row of an application.
#[derive(Clone, Debug)]
pub struct ApplicationRow {
    /// As the user passed it: `shop.wsgi:application`.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The name of the WSGI callable in it.
    pub callable: String,
    /// What the Apache configuration adds to `sys.path` for it, if it serves the application.
    pub served: Option<PythonPathOptions>,
    /// What its source code shows.
    pub sources: SourceAnalysis,
    /// The trials of its import, by mode.
    pub trials: BTreeMap<Mode, Trial>,
    /// Its verdicts, by mode.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// Every extension module of its own folders and of the environment.
    pub modules: Vec<ModuleUse>,
    /// Imports of a computed name in its own files that neither its import nor a request has run, with a
    /// description.
    pub open_imports: Vec<(SourceLocation, String)>,
}

/// How an application uses an extension module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleUse {
    /// Dotted name.
    pub module: String,
    /// How it is imported; `None` if no import of it is known.
    pub way: Option<ImportKind>,
    /// Whether importing the application in the main interpreter loaded it.
    pub is_loaded: bool,
    /// The import statement that decides `way`.
    pub through: Option<SourceLocation>,
    /// The chain of imports that leads to it.
    pub chain: Vec<String>,
}

/// A script that was run in each mode, or a list of requests that was sent to an application.
#[derive(Clone, Debug)]
pub struct ExerciseRow {
    /// Its file, as the user passed it.
    pub file: String,
    /// The application that answered, for a list of requests.
    pub application: Option<String>,
    /// The requests, in their order.
    pub requests: Vec<RequestRow>,
    /// Its trials, by mode.
    pub trials: BTreeMap<Mode, Trial>,
    /// Its verdicts, by mode.
    pub judgements: BTreeMap<Mode, Judgement>,
}

/// A request and the replies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRow {
    /// `GET`.
    pub method: String,
    /// Path and query as written, with the variables of the file.
    pub target: String,
    /// The reply in the control; `None` if there was none.
    pub main: Option<ControlReply>,
    /// Its result in the other modes.
    pub modes: BTreeMap<Mode, RequestInMode>,
}

/// The reply to a request in the control.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlReply {
    /// The status line: `200 OK`.
    pub status: String,
    /// The size of the body in bytes; `None` if it is not the same each time.
    pub bytes: Option<u64>,
    /// The SHA-256 of the body; `None` if it is not the same each time.
    pub sha256: Option<String>,
    /// How long the application took, in milliseconds.
    pub milliseconds: f64,
}
