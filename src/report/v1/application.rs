//! Applications in the document.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tried;
use crate::model::{ImportKind, Mode, SourceHazard, SourceLocation, VariableUse};

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
    /// How it is imported, if at all.
    pub reached: ModuleReach,
    /// Whether importing the application in the main interpreter loaded it.
    pub loaded: bool,
    /// The import statement that decides `reached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<SourcePlace>,
    /// The chain of imports that leads to it, the application first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

/// How an application's import of a module is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModuleReach {
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
    /// No import of it is known.
    NotReached,
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
    /// How functions use a module-level variable, as far as its file shows.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<VariableUse>,
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

impl From<Option<ImportKind>> for ModuleReach {
    fn from(way: Option<ImportKind>) -> Self {
        match way {
            Some(ImportKind::AtImport) => Self::AtImport,
            Some(ImportKind::Conditional) => Self::Conditional,
            Some(ImportKind::Optional) => Self::Optional,
            Some(ImportKind::Lazy) => Self::Lazy,
            Some(ImportKind::LazyOptional) => Self::LazyOptional,
            None => Self::NotReached,
        }
    }
}

impl From<&SourceHazard> for SourceFinding {
    fn from(hazard: &SourceHazard) -> Self {
        Self {
            rule: hazard.rule.id().to_owned(),
            text: hazard.text.clone(),
            name: hazard.name.clone(),
            used: hazard.used,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_with_its_function() {
        let place = |function: &str| SourcePlace {
            file: "shop.py".to_owned(),
            line: 3,
            function: function.to_owned(),
        };
        assert_eq!(place("cart").to_string(), "shop.py:3 in cart()");
        assert_eq!(place("").to_string(), "shop.py:3");
    }

    #[test]
    fn a_module_is_reached_as_it_is_imported() {
        let ways = [
            (Some(ImportKind::AtImport), ModuleReach::AtImport),
            (Some(ImportKind::Conditional), ModuleReach::Conditional),
            (Some(ImportKind::Optional), ModuleReach::Optional),
            (Some(ImportKind::Lazy), ModuleReach::Lazy),
            (Some(ImportKind::LazyOptional), ModuleReach::LazyOptional),
            (None, ModuleReach::NotReached),
        ];
        for (way, reach) in ways {
            assert_eq!(ModuleReach::from(way), reach);
            let name = way.map_or("not-reached", ImportKind::name);
            assert_eq!(serde_json::to_value(reach).unwrap(), name);
        }
    }
}
