//! The whole document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Apache, Application, Declaration, Inspected, Outcome, Request, RequestTimes, Tool};
use crate::model::{Mode, Verdict};
use crate::report::DecidedBy;

/// The result of an audit. All but the header depends on what was audited alone: the same environment gives
/// the same bytes, wherever it lies. Folders of the machine stand as `{environment}` and the like; the header
/// tells what they are. Of what a trial said, whatever differs in each run stands as `?`, an address as `0x?`: ids of
/// processes and threads, times and measured durations, names of temporary files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// The schema's number: 1.
    pub schema: u8,
    /// What wrote it.
    pub tool: Tool,
    /// When and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// The interpreter that was audited; `null` where there was none to be asked.
    pub environment: Option<Python>,
    /// The free-threaded Python of a second environment, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_threaded: Option<Python>,
    /// The modes asked about, the control first.
    #[serde(default)]
    pub modes: Vec<Mode>,
    /// The answer in each mode asked about, as the worst verdict of what decides: `unsafe` and `blocked` mean no,
    /// `unknown` not known, `degraded` yes with accelerators lost, `ready` yes.
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
    /// The applications that the environment is for (`--app`). Where there are any, they decide the exit status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<Application>,
    /// Scripts that use what is installed (`--exercise`). They decide the exit status too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exercises: Vec<Exercise>,
    /// The Apache that the environment is for (`--apache-config`). Where there is one, applications decide the exit
    /// status in the interpreters where they land.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apache: Option<Apache>,
    /// Faults of the Python itself: what imports such a module is unsafe in that mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python_findings: Vec<PythonFinding>,
    /// What a reader must know: sentences.
    pub notes: Vec<String>,
    /// What was left out or could not be read: while there is any, the audit is incomplete.
    pub trouble: Vec<String>,
}

/// When and where an audit ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// When it began (RFC 3339, UTC).
    pub started: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What `{environment}` and the like stand for.
    pub places: BTreeMap<String, String>,
    /// Trials, and which of them an earlier audit had answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<Remembered>,
    /// How long the answers to requests took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestTimes>,
}

/// How many trials were wanted, and how many an earlier audit of the same files had answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remembered {
    /// All.
    pub all: usize,
    /// Those that were not repeated.
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
    /// What importing it means.
    pub top_level: Vec<Name>,
}

/// A top-level name of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Name {
    /// Dotted name.
    pub name: String,
    /// How its trials ended, and what that means.
    pub modes: BTreeMap<Mode, Tried>,
}

/// A script that was run in each mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exercise {
    /// Its file, as it was named.
    pub file: String,
    /// The application that answered, of a list of requests (`--requests`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The requests, in their order, with what each was answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// How running it ended, and what that means.
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
    /// The file's SHA-256, in hexadecimal; `null` where it is no extension module, or could not be read.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The distribution that claims it.
    pub distribution: Option<String>,
    /// `extension-module`, `plain-library`, `other-abi`, ...
    pub kind: String,
    /// What it declares; `null` for what is no extension module.
    pub declaration: Option<Declaration>,
    /// The same module's file for the free-threaded build, where that is another environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_threaded_build: Option<Inspected>,
    /// How its trials ended, and what that means.
    pub modes: BTreeMap<Mode, Tried>,
    /// What else was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// What a maintainer of a module wants to know. It changes no verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// What was found, in one line.
    pub text: String,
    /// Lines of source to add, where that is what it comes to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
}

/// A fault of the Python itself, which a module of its standard library shows with no distribution imported.
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
    /// The whole in one sentence, with the way out.
    pub text: String,
    /// The first release without it; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended: Option<String>,
    /// CPython's issue; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
}

/// A trial's end and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// How the trial ended; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What that means.
    #[serde(flatten)]
    pub judged: Judged,
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line; absent for most of what is ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Which reason that is, where the verdict is `unknown` or `not-applicable`: `wsgiaudit explain` has a page for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_id: Option<String>,
    /// What is at the root of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Extension modules that the control loads and this mode does not (degraded).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// Where a failure comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The rule's id, e.g. `refused`.
    #[serde(default)]
    pub rule: String,
    /// The module at the root.
    pub module: String,
    /// The imports that lead there, outermost first, ending in `module`.
    pub chain: Vec<String>,
    /// What it did, in one line, without naming it.
    pub what: String,
}

/// What stands in the way in one mode: the root modules of one distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// Whose they are; `null` for the standard library and unclaimed files.
    pub distribution: Option<String>,
    /// The root modules.
    pub roots: Vec<Root>,
    /// Distributions that are blocked or unsafe through it, itself aside.
    pub blocks: Vec<Blocked>,
    /// What newer versions declare, where that was asked (`--upgrades`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
}

/// What an index has of a distribution that stands in the way. Declarations only: nothing of it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upgrade {
    /// The newest version with a wheel for this Python; `null` where the index gave no answer.
    pub newest: Option<String>,
    /// The first version from which on every root module declares what is asked for.
    pub since: Option<String>,
    /// The same in words.
    pub words: String,
}

/// A module at the root of failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Root {
    /// Its name.
    pub module: String,
    /// What it does, in one line.
    pub what: String,
    /// The rule's id: `wsgiaudit explain` has the way out.
    #[serde(default)]
    pub rule: String,
}

/// A distribution that another one's root cause stands in the way of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    /// Its name.
    pub distribution: String,
    /// The imports that lead to the root, outermost first.
    pub chain: Vec<String>,
    /// Distributions whose root causes are in its way beside this one, its own included. Empty: nothing else
    /// is known to be.
    pub also_needs: Vec<String>,
}

impl Judged {
    /// The page that explains it: of its reason, else of its cause's rule.
    pub fn explained_by(&self) -> Option<&str> {
        self.reason_id.as_deref().or(self.cause.as_ref().map(|cause| cause.rule.as_str()))
    }
}

impl Document {
    /// How many distributions have this verdict in this mode.
    pub fn count(&self, mode: Mode, verdict: Verdict) -> usize {
        let judged = self.distributions.iter().filter_map(|row| row.modes.get(&mode));
        judged.filter(|judged| judged.verdict == verdict).count()
    }
}
