//! Applications in the document.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tried;
use crate::model::{Mode, SourceHazard, Spot, Weight};
use crate::report::{ApplicationRow, Use};

/// An application, and what it reaches (`--app`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Application {
    /// As it was named: `shop.wsgi:application`.
    pub name: String,
    /// Its file.
    pub file: String,
    /// How many Python files were read for it.
    pub files: usize,
    /// How importing it ended, and what that and what it may import later means. This decides the exit status.
    pub modes: BTreeMap<Mode, Tried>,
    /// Every extension module of the environment.
    pub modules: Vec<UsedModule>,
    /// Hazards in its own source, the worst first. They change no verdict.
    pub hazards: Vec<SourceFinding>,
    /// Hazards in the source of what it uses, the worst first.
    pub hazards_elsewhere: Vec<SourceFinding>,
    /// What of its own source costs each interpreter memory and time, or is usual when an application starts: caches and
    /// registries (`per-interpreter-cache`), environment variables that are set at import (`environment-variable`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minor_hazards: Vec<SourceFinding>,
    /// The same in what it uses, and variables of which a library's source does not tell what they are changed for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minor_hazards_elsewhere: Vec<SourceFinding>,
    /// What could not be followed in its own source: computed names, entry points, what is not there.
    pub not_followed: Vec<NotFollowed>,
    /// The same in what it uses.
    pub not_followed_elsewhere: Vec<NotFollowed>,
}

/// What an application does with an extension module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsedModule {
    /// Dotted name.
    pub name: String,
    /// `at-import`, `conditional`, `optional`, `lazy`, `lazy-optional`, `not-reached`.
    pub reached: String,
    /// Whether importing the application in the main interpreter loaded it.
    pub loaded: bool,
    /// The import that decides that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<SourcePlace>,
    /// The modules that lead there, the application first.
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
    /// The function around it; absent at the level of the module.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub function: String,
}

/// A hazard in Python source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFinding {
    /// The rule's id.
    pub rule: String,
    /// What is there, in one line.
    pub text: String,
    /// What it is about, if it stands for all places in its file: a variable of the module (`CARTS`, `Shop.carts`), an
    /// environment variable, a function that changes the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How functions use a variable of the module, as far as its file tells: `state` (calls leave there what later calls
    /// read), `guards-outside` (a lock, held around what other interpreters have too), `changed` (what for is not known),
    /// `filled-once` (a cache, a registry, an object that is made at first use).
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
    /// Where; of several places the worst.
    #[serde(flatten)]
    pub place: SourcePlace,
    /// The other places, from above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<SourcePlace>,
}

/// An import that was not followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotFollowed {
    /// What it is, in one line.
    pub what: String,
    /// Where.
    #[serde(flatten)]
    pub place: SourcePlace,
}

impl Application {
    pub(super) fn new(row: &ApplicationRow, modes: BTreeMap<Mode, Tried>) -> Self {
        let of = |all: &[SourceHazard], is_minor: bool| {
            let all = all.iter().filter(|hazard| (hazard.weight == Weight::Low) == is_minor);
            all.map(SourceFinding::from).collect()
        };
        let not_followed = |all: &[(Spot, String)]| {
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

impl From<&Use> for UsedModule {
    fn from(used: &Use) -> Self {
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

impl From<&Spot> for SourcePlace {
    fn from(spot: &Spot) -> Self {
        let file = spot.file.to_string_lossy().into_owned();
        Self { file, line: spot.line, function: spot.function.clone() }
    }
}
