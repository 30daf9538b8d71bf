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

/// Finds a table of a pyproject.toml that is meant for this program but has another name, e.g. `[tool.wsgi-audit]`.
/// Such a table would be ignored, and with it what the project requires.
pub fn find_misnamed_table(text: &str) -> Option<String> {
    let file = text.parse::<toml::Table>().ok()?;
    let is_meant = |name: &str| {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let letters = letters.to_ascii_lowercase();
        // One letter more, less, or another one.
        name != "wsgiaudit" && strsim::damerau_levenshtein(&letters, "wsgiaudit") <= 1
    };
    let tools = file.get("tool").and_then(toml::Value::as_table);
    let in_tool = tools.into_iter().flat_map(toml::Table::keys).find(|name| is_meant(name));
    let at_top = file.keys().find(|name| *name == "wsgiaudit" || is_meant(name));
    match (in_tool, at_top) {
        (Some(name), _) => Some(format!("[tool.{name}]")),
        (None, Some(name)) => Some(format!("[{name}]")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_a_similar_name_is_found() {
        for (text, expected) in [
            ("[tool.wsgi-audit]\nstrict = true\n", Some("[tool.wsgi-audit]")),
            ("[tool.WSGIAudit]\n", Some("[tool.WSGIAudit]")),
            ("[tool.wsgiaudits]\n", Some("[tool.wsgiaudits]")),
            ("[[tool.wsgi_audit.accept]]\n", Some("[tool.wsgi_audit]")),
            ("[wsgiaudit]\nstrict = true\n", Some("[wsgiaudit]")),
            ("[tool.wsgiaudit]\n[tool.pip-audit]\n", None),
            ("[tool.ruff]\n[project]\n", None),
            ("not toml", None),
        ] {
            assert_eq!(find_misnamed_table(text).as_deref(), expected, "{text}");
        }
    }
}
