//! What static analysis of an application's source code found. No verdicts.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RuleId;

/// How a module gets imported. Ordered by certainty: the most certain kind first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportKind {
    /// When the application is imported.
    AtImport,
    /// When the application is imported, under a condition that was not evaluated.
    Conditional,
    /// When the application is imported, by code that catches a failed import.
    Optional,
    /// When a function runs, typically during a request.
    Lazy,
    /// When a function runs, by code that catches a failed import.
    LazyOptional,
}

impl ImportKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtImport => "at-import",
            Self::Conditional => "conditional",
            Self::Optional => "optional",
            Self::Lazy => "lazy",
            Self::LazyOptional => "lazy-optional",
        }
    }

    /// Returns the kind of an import of kind `next` inside a module that is itself imported as `self`.
    pub fn followed_by(self, next: Self) -> Self {
        let is_lazy = |way| matches!(way, Self::Lazy | Self::LazyOptional);
        let is_optional = |way| matches!(way, Self::Optional | Self::LazyOptional);
        match (is_lazy(self) || is_lazy(next), is_optional(self) || is_optional(next)) {
            (true, true) => Self::LazyOptional,
            (true, false) => Self::Lazy,
            (false, true) => Self::Optional,
            (false, false) => self.max(next),
        }
    }
}

/// A line of Python source code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLocation {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The enclosing function, qualified with its classes; empty at module level.
    pub function: String,
}

/// A module that an application imports, directly or through other modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachedModule {
    /// Dotted name.
    pub name: String,
    /// How it is imported.
    pub way: ImportKind,
    /// The import statement that decides `way`: the one inside a function, the optional one, else the last.
    pub through: Option<SourceLocation>,
    /// The chain of imports, from the application to this module.
    pub chain: Vec<String>,
}

/// How serious a hazard in Python source code is. Ordered as in reports: the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HazardWeight {
    /// Fails in an interpreter with its own GIL, or requests do not find the state that earlier requests
    /// stored.
    High,
    /// May be harmful: the source code alone does not decide it.
    Middle,
    /// Costs memory and time in each interpreter, or is normal when an application starts.
    Low,
}

/// How functions use a module-level variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VariableUse {
    /// Calls store their input or a count in it, and later calls read that.
    State,
    /// A lock held around a resource that other interpreters and processes share: a file, a socket.
    GuardsOutside,
    /// Functions change it, for a purpose that the source code does not show.
    Changed,
    /// Filled once and then only read: a cache, a registry, an object created at first use.
    FilledOnce,
}

impl VariableUse {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::GuardsOutside => "guards-outside",
            Self::Changed => "changed",
            Self::FilledOnce => "filled-once",
        }
    }

    /// How serious it is that each interpreter has its own copy.
    pub fn weight(self) -> HazardWeight {
        match self {
            Self::State => HazardWeight::High,
            Self::GuardsOutside | Self::Changed => HazardWeight::Middle,
            Self::FilledOnce => HazardWeight::Low,
        }
    }
}

/// A hazard in Python source code. Sorts worst first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceHazard {
    /// How serious it is.
    pub weight: HazardWeight,
    /// Its location; of several, the first of the most serious ones.
    pub spot: SourceLocation,
    /// The rule.
    pub rule: RuleId,
    /// A description in one line.
    pub text: String,
    /// The variable, environment variable or function that it is about, if the row stands for every
    /// occurrence in the file.
    pub name: Option<String>,
    /// How functions use it, if it is a module-level variable.
    pub used: Option<VariableUse>,
    /// The other locations.
    pub others: Vec<SourceLocation>,
    /// Set if an interpreter with its own GIL always refuses it: `Lazy`, or `LazyOptional` if the code
    /// catches the error.
    pub refused: Option<ImportKind>,
}

/// A statement that changes where Python looks for modules, such as `sys.path.insert(...)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathChange {
    /// Its location.
    pub spot: SourceLocation,
    /// A description in one line.
    pub text: String,
    /// The first and the last line of the statement: once one of these lines has run, `sys.path` shows its
    /// effect. `None` for a change that never shows there, such as an import finder.
    pub lines: Option<(usize, usize)>,
}

/// An import that could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnresolvedImport {
    /// Of this module, which is not installed.
    Missing(String),
    /// Of modules that only running the code shows; a description of the code.
    Computed(String),
}

impl fmt::Display for UnresolvedImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(module) => write!(f, "{module} is not in the environment"),
            Self::Computed(what) => f.write_str(what),
        }
    }
}

/// What the source code of an application shows.
#[derive(Clone, Debug, Default)]
pub struct SourceAnalysis {
    /// Every imported module of the environment by name, Python modules and extension modules.
    pub reached: Vec<ReachedModule>,
    /// The number of Python files read.
    pub files: usize,
    /// Hazards in the application's own files, the worst first.
    pub hazards: Vec<SourceHazard>,
    /// Hazards in the libraries that it imports, the worst first.
    pub elsewhere: Vec<SourceHazard>,
    /// Statements in the application's own files that change where Python looks for modules.
    pub path_changes: Vec<PathChange>,
    /// Imports in the application's own files that could not be resolved.
    pub not_followed: Vec<(SourceLocation, UnresolvedImport)>,
    /// The same in the libraries that it imports.
    pub not_followed_elsewhere: Vec<(SourceLocation, UnresolvedImport)>,
}
