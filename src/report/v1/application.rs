//! Applications in the document.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tried;
use crate::model::{HazardWeight, Mode, SourceHazard, SourceLocation};
use crate::report::{ApplicationRow, ModuleUse};

/// An application (`--app`), and the modules that it imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Application {
    /// As it was passed: `shop.wsgi:application`.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The number of Python files that were read for it.
    pub files: usize,
    /// How importing it ended, and the verdict about that and about what it may import later. This decides
    /// the exit status.
    pub modes: BTreeMap<Mode, Tried>,
    /// Every extension module of the environment.
    pub modules: Vec<UsedModule>,
    /// Hazards in its own source code, the worst first. They change no verdict.
    pub hazards: Vec<SourceFinding>,
    /// Hazards in the source code of its libraries, the worst first.
    pub hazards_elsewhere: Vec<SourceFinding>,
    /// Minor hazards in its own source code. They cost each interpreter memory and time, or are normal when
    /// an application starts: caches and registries (`per-interpreter-cache`), environment variables that are
    /// set at import (`environment-variable`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minor_hazards: Vec<SourceFinding>,
    /// The same in its libraries, and variables that a library changes for a purpose that its source code
    /// does not show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minor_hazards_elsewhere: Vec<SourceFinding>,
    /// Imports in its own source code that could not be resolved: computed names, entry points, modules that
    /// are not installed.
    pub not_followed: Vec<NotFollowed>,
    /// The same in its libraries.
    pub not_followed_elsewhere: Vec<NotFollowed>,
}

/// How an application uses an extension module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsedModule {
    /// Dotted name.
    pub name: String,
    /// `at-import`, `conditional`, `optional`, `lazy`, `lazy-optional`, `not-reached`.
    pub reached: String,
    /// Whether importing the application in the main interpreter loaded it.
    pub loaded: bool,
    /// The import statement that decides `reached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<SourcePlace>,
    /// The chain of imports that leads to it, the application first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

/// A line of Python source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourcePlace {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The enclosing function; absent at module level.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub function: String,
}

/// A hazard in Python source code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFinding {
    /// The rule's id.
    pub rule: String,
    /// A description in one line.
    pub text: String,
    /// What it is about, if it stands for every occurrence in the file: a module-level variable (`CARTS`,
    /// `Shop.carts`), an environment variable, a function that changes the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How functions use a module-level variable, as far as its file shows: `state` (calls store what later
    /// calls read), `guards-outside` (a lock, held around a resource that other interpreters share),
    /// `changed` (for an unknown purpose), `filled-once` (a cache, a registry, an object created at first
    /// use).
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
    /// The location; of several, the most serious one.
    #[serde(flatten)]
    pub place: SourcePlace,
    /// The other locations, from top to bottom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<SourcePlace>,
}

/// An import that could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotFollowed {
    /// A description in one line.
    pub what: String,
    /// The location.
    #[serde(flatten)]
    pub place: SourcePlace,
}

impl Application {
    pub(super) fn new(row: &ApplicationRow, modes: BTreeMap<Mode, Tried>) -> Self {
        let of = |all: &[SourceHazard], is_minor: bool| {
            let all = all.iter().filter(|hazard| (hazard.weight == HazardWeight::Low) == is_minor);
            all.map(SourceFinding::from).collect()
        };
        let not_followed = |all: &[(SourceLocation, String)]| {
            all.iter().map(|(spot, what)| NotFollowed { what: what.clone(), place: spot.into() }).collect()
        };
        Self {
            name: row.name.clone(),
            file: row.file.clone(),
            files: row.sources.files,
            modes,
            modules: row.modules.iter().map(UsedModule::from).collect(),
            hazards: of(&row.sources.hazards, false),
            hazards_elsewhere: of(&row.sources.elsewhere, false),
            minor_hazards: of(&row.sources.hazards, true),
            minor_hazards_elsewhere: of(&row.sources.elsewhere, true),
            not_followed: not_followed(&row.sources.not_followed),
            not_followed_elsewhere: not_followed(&row.sources.not_followed_elsewhere),
        }
    }
}

impl From<&ModuleUse> for UsedModule {
    fn from(used: &ModuleUse) -> Self {
        Self {
            name: used.module.clone(),
            reached: used.way.map_or("not-reached", |way| way.name()).to_owned(),
            loaded: used.is_loaded,
            through: used.through.as_ref().map(SourcePlace::from),
            chain: used.chain.clone(),
        }
    }
}

impl From<&SourceHazard> for SourceFinding {
    fn from(hazard: &SourceHazard) -> Self {
        Self {
            rule: hazard.rule.to_owned(),
            text: hazard.text.clone(),
            name: hazard.name.clone(),
            used: hazard.used.map(|used| used.name().to_owned()),
            place: (&hazard.spot).into(),
            places: hazard.others.iter().map(SourcePlace::from).collect(),
        }
    }
}

/// `shop/views.py:3 in cart()`.
impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        match self.function.as_str() {
            "" => Ok(()),
            function => write!(f, " in {function}()"),
        }
    }
}

impl From<&SourceLocation> for SourcePlace {
    fn from(spot: &SourceLocation) -> Self {
        let file = spot.file.to_string_lossy().into_owned();
        Self { file, line: spot.line, function: spot.function.clone() }
    }
}
