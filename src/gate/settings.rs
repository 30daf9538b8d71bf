//! A project's settings: `[tool.wsgiaudit]` in pyproject.toml, or wsgiaudit.toml.

use serde::Deserialize;

use super::Accepted;
use crate::model::Mode;

/// The settings. What the command line says goes before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The modes that decide the exit status.
    pub require: Option<Vec<Mode>>,
    /// Degraded distributions fail the audit too.
    #[serde(default)]
    pub strict: bool,
    /// What may stand in the way.
    #[serde(default)]
    pub accept: Vec<Accepted>,
}

#[derive(Deserialize)]
struct Project {
    tool: Option<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    wsgiaudit: Option<Settings>,
}

/// Reads the text of a wsgiaudit.toml or, where `is_project`, of a pyproject.toml, which may hold none.
///
/// # Errors
/// When it is not TOML, or a key is unknown or of the wrong kind: with its place.
pub fn read(text: &str, is_project: bool) -> Result<Option<Settings>, toml::de::Error> {
    match is_project {
        false => toml::from_str(text).map(Some),
        true => Ok(toml::from_str::<Project>(text)?.tool.and_then(|tool| tool.wsgiaudit)),
    }
}
