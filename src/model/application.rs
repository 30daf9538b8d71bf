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

/// A hazard in Python source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceHazard {
    /// Where.
    pub spot: Spot,
    /// The rule's id.
    pub rule: &'static str,
    /// What is there, in one line.
    pub text: String,
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
    /// Hazards in the application's own files.
    pub hazards: Vec<SourceHazard>,
    /// Hazards in what it uses.
    pub elsewhere: Vec<SourceHazard>,
    /// Where the application's own files change where modules are looked for.
    pub path_changes: Vec<PathChange>,
    /// Imports in the application's own files that could not be followed, in words.
    pub not_followed: Vec<(Spot, String)>,
    /// The same in what it uses.
    pub not_followed_elsewhere: Vec<(Spot, String)>,
}
