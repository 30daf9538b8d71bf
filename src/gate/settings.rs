//! A project's settings: `[tool.wsgiaudit]` in pyproject.toml, or wsgiaudit.toml.

use serde::Deserialize;

use super::Acceptance;
use crate::model::Mode;

/// A project's settings. Command line options take precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProjectSettings {
    /// The modes that decide the exit status.
    pub require: Option<Vec<Mode>>,
    /// Degraded distributions fail the audit too.
    #[serde(default)]
    pub strict: bool,
    /// Verdicts that do not fail the audit.
    #[serde(default)]
    pub accept: Vec<Acceptance>,
}

#[derive(Deserialize)]
struct Pyproject {
    tool: Option<ToolTable>,
}

#[derive(Deserialize)]
struct ToolTable {
    wsgiaudit: Option<ProjectSettings>,
}

/// Parses a wsgiaudit.toml or, if `is_project`, a pyproject.toml. Returns `None` for a pyproject.toml without
/// `[tool.wsgiaudit]`.
///
/// # Errors
/// When the text is not TOML, or a key is unknown or has the wrong type. The error says where.
pub fn parse_settings(text: &str, is_project: bool) -> Result<Option<ProjectSettings>, toml::de::Error> {
    match is_project {
        false => toml::from_str(text).map(Some),
        true => Ok(toml::from_str::<Pyproject>(text)?.tool.and_then(|tool| tool.wsgiaudit)),
    }
}
