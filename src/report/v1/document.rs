//! The whole document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Apache, Application, Declaration, Inspected, Judged, Request, RequestTimes, Tool, Tried};
use crate::model::{AvailableUpgrade, ExtensionFileClass, Mode, Verdict};

/// The result of an audit. Except for the header, it depends only on what was audited: the same environment
/// gives the same bytes, wherever it is. Placeholders like `{environment}` stand for folders of the machine;
/// the header lists them. In the output of trials, whatever differs from run to run is replaced with `?`, and
/// addresses with `0x?`: ids of processes and threads, times and durations, names of temporary files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// The schema's number: 1.
    pub schema: u8,
    /// What wrote it.
    pub tool: Tool,
    /// When and where the audit ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// The interpreter that was audited; `null` if none could be run.
    pub environment: Option<Python>,
    /// The free-threaded Python of a second environment, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_threaded: Option<Python>,
    /// The modes asked about, the control first.
    #[serde(default)]
    pub modes: Vec<Mode>,
    /// The answer in each mode asked about, as the worst verdict of the rows that decide: `unsafe` and
    /// `blocked` mean no, `unknown` that it is not known, `degraded` yes with accelerators lost, `ready` yes.
    pub answers: BTreeMap<Mode, Verdict>,
    /// What was asked about, and so decides the answers and the exit status.
    #[serde(default)]
    pub decided_by: DecidedBy,
    /// Worst first in own-gil, then by name.
    pub distributions: Vec<Distribution>,
    /// By file.
    pub modules: Vec<Module>,
    /// Root causes by mode, those that block most first.
    pub blockers: BTreeMap<Mode, Vec<Blocker>>,
    /// The applications that the environment is for (`--app`). Where there are any, they decide the exit
    /// status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<Application>,
    /// Scripts that use what is installed (`--exercise`). They decide the exit status too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exercises: Vec<Exercise>,
    /// The Apache configuration that the environment is for (`--apache-config`). If there is one,
    /// applications decide the exit status in the modes of their mounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apache: Option<Apache>,
    /// Defects of the Python interpreter itself. What imports such a module is unsafe in that mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python_findings: Vec<PythonFinding>,
    /// Notes for the reader, in sentences.
    pub notes: Vec<String>,
    /// What was left out or could not be read: while there is any, the audit is incomplete.
    pub trouble: Vec<String>,
}

/// What an audit was asked about. These rows decide its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// Everything that is installed.
    #[default]
    Distributions,
    /// The applications named (`--app`, `--apache-config`).
    Applications,
    /// The extension modules named (`wsgiaudit module`).
    Modules,
}

/// When and where an audit ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// When it began (RFC 3339, UTC).
    pub started: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The folders that `{environment}` and the like stand for.
    pub places: BTreeMap<String, String>,
    /// The number of trials, and of those that an earlier audit had run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<Remembered>,
    /// How long the replies to requests took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestTimes>,
}

/// The number of trials that were needed, and of those whose result an earlier audit of the same files had
/// stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remembered {
    /// All trials.
    pub all: usize,
    /// Trials that were not repeated.
    pub remembered: usize,
}

/// An interpreter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Python {
    /// E.g. `3.14.7`.
    pub python: String,
    /// E.g. `cpython-314-x86_64-linux-gnu`.
    pub abi: String,
    /// E.g. `linux-x86_64`.
    pub platform: String,
    /// Built with `--disable-gil`.
    pub free_threaded: bool,
    /// The extension modules of CPython itself, which are not in `modules`, sorted by file. Absent in
    /// older reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_modules: Option<Vec<StandardModule>>,
}

/// One of CPython's own extension modules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StandardModule {
    /// Its file, symbolic links resolved.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
}

/// A distribution (what pip installs).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Its name; `null` gathers the modules that no distribution claims.
    pub name: Option<String>,
    /// Its version.
    pub version: String,
    /// How many extension modules it has.
    pub extension_modules: usize,
    /// What they declare, summed up.
    pub declaration: String,
    /// Its verdicts.
    pub modes: BTreeMap<Mode, Judged>,
    /// Its top-level names.
    pub top_level: Vec<Name>,
}

/// A top-level name of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Name {
    /// Dotted name.
    pub name: String,
    /// The outcomes of its trials and the verdicts, by mode.
    pub modes: BTreeMap<Mode, Tried>,
}

/// A script that was run in each mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exercise {
    /// Its file, as it was passed.
    pub file: String,
    /// The application that answered, for a list of requests (`--requests`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The requests, in their order, with the replies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// The outcomes of its trials and the verdicts, by mode.
    pub modes: BTreeMap<Mode, Tried>,
}

/// A file that looks like an extension module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Module {
    /// Dotted name.
    pub name: String,
    /// The file, below `folder`.
    pub file: String,
    /// The folder on `sys.path` that it was found below.
    #[serde(default)]
    pub folder: String,
    /// The file's SHA-256, in hexadecimal; `null` if it is not an extension module, or could not be read.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The distribution that claims it.
    pub distribution: Option<String>,
    /// What the file is.
    pub kind: ExtensionFileClass,
    /// What it declares; `null` if it is not an extension module.
    pub declaration: Option<Declaration>,
    /// The same module's file for the free-threaded build, if that is in another environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_threaded_build: Option<Inspected>,
    /// The outcomes of its trials and the verdicts, by mode.
    pub modes: BTreeMap<Mode, Tried>,
    /// Findings for its maintainer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// A finding for the maintainer of a module. It changes no verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// What was found, in one line.
    pub text: String,
    /// Lines of source code to add, if that is the fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
}

/// A defect of the Python interpreter itself, which a module of its standard library shows when it is
/// imported alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PythonFinding {
    /// The rule's id: `python-defect`.
    pub rule: String,
    /// The mode in which it shows.
    pub mode: Mode,
    /// The verdict of what imports the module: `unsafe`.
    pub verdict: Verdict,
    /// The module of the standard library.
    pub module: String,
    /// What it does, in one line, without naming it.
    pub what: String,
    /// The defect and the workaround, in one sentence.
    pub text: String,
    /// The first release with the fix; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended: Option<String>,
    /// The CPython issue; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
}

/// What blocks distributions in one mode: the root modules of one distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// The distribution that the root modules belong to; `null` for the standard library and unclaimed files.
    pub distribution: Option<String>,
    /// The root modules.
    pub roots: Vec<Root>,
    /// Other distributions that are blocked or unsafe because of it.
    pub blocks: Vec<Blocked>,
    /// What newer versions declare, if that was asked (`--upgrades`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<AvailableUpgrade>,
}

/// A module that is the root cause of failures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Root {
    /// Its name.
    pub module: String,
    /// What it does, in one line.
    pub what: String,
    /// The rule's id: `wsgiaudit explain` has advice.
    #[serde(default)]
    pub rule: String,
}

/// A distribution that another one's root cause blocks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    /// Its name.
    pub distribution: String,
    /// The imports that lead to the root, outermost first.
    pub chain: Vec<String>,
    /// Distributions with other root causes that block it, itself included. Empty if nothing else is known to
    /// block it.
    pub also_needs: Vec<String>,
}

impl Document {
    /// Counts the distributions with this verdict in this mode.
    pub fn count_distributions(&self, mode: Mode, verdict: Verdict) -> usize {
        let judged = self.distributions.iter().filter_map(|row| row.modes.get(&mode));
        judged.filter(|judged| judged.verdict == verdict).count()
    }
}
