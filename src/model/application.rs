//! What is known of an application from its sources. No verdicts.

use std::path::PathBuf;

/// How a module comes to be loaded. The order is that of certainty: the first is the surest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// When the application is imported.
    AtImport,
    /// When it is imported, below a condition that was not evaluated.
    Conditional,
    /// When it is imported, and whoever imports it does without where that fails.
    Optional,
    /// When a function runs: in the middle of a request, as far as anybody knows.
    Lazy,
    /// The same, and whoever imports it does without where that fails.
    LazyOptional,
}

impl Way {
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

    /// What becomes of an import of the second kind in a module that is loaded in the first way.
    pub fn then(self, next: Self) -> Self {
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

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The function it lies in, with the classes around it; empty at the level of the module.
    pub function: String,
}

/// A module that an application reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Dotted name.
    pub name: String,
    /// How.
    pub way: Way,
    /// The import that decides the way: the one inside the function, the optional one, else the last.
    pub through: Option<Spot>,
    /// The modules that lead there, the application first, this one last.
    pub chain: Vec<String>,
}

/// How much a hazard in Python source matters. The order is that of reports: the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It fails in an interpreter with its own GIL, or requests find other state than they left.
    High,
    /// Whether it does harm depends on what the source does not tell.
    Middle,
    /// It costs each interpreter memory and time, or is usual when an application starts.
    Low,
}

/// How functions use a variable at a module's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VariableUse {
    /// Calls leave there what they were given, or count on, and later calls read it.
    State,
    /// It is a lock, held around something that other interpreters and processes have too: a file, a socket.
    GuardsOutside,
    /// Functions change it; what for, the source does not tell.
    Changed,
    /// It is filled once and then read: a cache, a registry, an object that is made at first use.
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

    /// How much it matters that each interpreter has its own.
    pub fn weight(self) -> Weight {
        match self {
            Self::State => Weight::High,
            Self::GuardsOutside | Self::Changed => Weight::Middle,
            Self::FilledOnce => Weight::Low,
        }
    }
}

/// A hazard in Python source. Sorted, the worst comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceHazard {
    /// How much it matters.
    pub weight: Weight,
    /// Where; of several places the worst, and of these the first.
    pub spot: Spot,
    /// The rule's id.
    pub rule: &'static str,
    /// What is there, in one line.
    pub text: String,
    /// What it is about, if the row stands for all its places in the file: a variable of the module, an environment
    /// variable, a function that changes the process.
    pub name: Option<String>,
    /// How functions use it, if it is a variable of the module.
    pub used: Option<VariableUse>,
    /// The other places.
    pub others: Vec<Spot>,
    /// Set if an interpreter with its own GIL always refuses it: `Lazy`, or `LazyOptional` if the code catches the error.
    pub refused: Option<Way>,
}

/// A statement that changes where modules are looked for: `sys.path.insert(...)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathChange {
    /// Where.
    pub spot: Spot,
    /// What it is, in one line.
    pub text: String,
    /// The first and the last of the lines of which one must have run for its effect to show in `sys.path`; `None` for
    /// what never shows there, as a finder.
    pub lines: Option<(usize, usize)>,
}

/// How an import that was not followed ends where the module is not there.
pub const NOT_THERE: &str = " is not in the environment";

/// What the sources say of an application.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Every module reached, by name: Python and extension modules of the environment.
    pub reached: Vec<Reached>,
    /// Python files read.
    pub files: usize,
    /// Hazards in the application's own files, the worst first.
    pub hazards: Vec<SourceHazard>,
    /// Hazards in what it uses, the worst first.
    pub elsewhere: Vec<SourceHazard>,
    /// Where the application's own files change where modules are looked for.
    pub path_changes: Vec<PathChange>,
    /// Imports in the application's own files that could not be followed, in words.
    pub not_followed: Vec<(Spot, String)>,
    /// The same in what it uses.
    pub not_followed_elsewhere: Vec<(Spot, String)>,
}
