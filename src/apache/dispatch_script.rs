//! `WSGIDispatchScript`: Python functions that choose the groups of each request. A function that returns a
//! constant is equivalent to a directive.

use std::path::Path;

use ruff_python_ast::{Expr, Stmt};

use super::ConfigurationSource;
use super::request_settings::RequestSettings;
use super::values::LocatedValue;
use crate::model::ConfigLocation;
use crate::python_source::parse_source;

/// The names that a dispatch script returns; `None` where it keeps the configured name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DispatchedNames {
    process: Option<String>,
    application: Option<String>,
    callable: Option<String>,
}

/// Reads a dispatch script.
///
/// # Errors
/// The script cannot be read, or a name depends on the request.
pub(super) fn read_dispatch_script(
    script: &Path,
    source: &dyn ConfigurationSource,
) -> Result<DispatchedNames, String> {
    let path = script.display();
    let text = source
        .read_text(script)
        .map_err(|error| format!("the dispatch script {path} cannot be read: {error}"))?;
    parse_source(&text, |body| read_definitions(body, script))
        .unwrap_or_else(|error| Err(format!("the dispatch script {path}: {error}")))
}

fn read_definitions(body: &[Stmt], script: &Path) -> Result<DispatchedNames, String> {
    let path = script.display();
    let mut dispatched = DispatchedNames::default();
    for statement in body {
        let defines = |name: &str| match name {
            "process_group" | "application_group" | "callable_object" => Err(format!(
                "the dispatch script {path} decides for each request: {name} does not return a constant"
            )),
            _ => Ok(()),
        };
        let is_harmless =
            matches!(statement, Stmt::Import(_) | Stmt::Expr(_) | Stmt::Pass(_) | Stmt::ClassDef(_));
        if let Stmt::FunctionDef(function) = statement {
            let name = function.name.as_str();
            let into = match name {
                "process_group" => &mut dispatched.process,
                "application_group" => &mut dispatched.application,
                "callable_object" => &mut dispatched.callable,
                _ => continue,
            };
            match (find_returned_constant(&function.body), function.decorator_list.is_empty()) {
                (Some(value), true) => *into = value,
                (Some(_) | None, _) => defines(name)?,
            }
        } else if let Stmt::Assign(assigned) = statement {
            for target in &assigned.targets {
                defines(target.as_name_expr().map_or("", |name| name.id.as_str()))?;
            }
        } else if let Stmt::ImportFrom(import) = statement {
            for alias in &import.names {
                let name = alias.asname.as_ref().unwrap_or(&alias.name);
                defines(name.as_str())?;
                if name.as_str() == "*" {
                    return Err(format!("the dispatch script {path} imports unknown names (import *)"));
                }
            }
        } else if !is_harmless {
            return Err(format!("the dispatch script {path} contains more than function definitions"));
        }
    }
    Ok(dispatched)
}

/// Returns the constant that a function body returns (`Some(None)` for Python's `None`), or `None` if the
/// body does anything else.
#[expect(clippy::option_option, reason = "returning None is a constant too")]
fn find_returned_constant(body: &[Stmt]) -> Option<Option<String>> {
    let is_text =
        |statement: &Stmt| matches!(statement, Stmt::Expr(text) if text.value.is_string_literal_expr());
    let rest: Vec<&Stmt> = body.iter().filter(|statement| !is_text(statement)).collect();
    match rest[..] {
        [] | [Stmt::Pass(_)] => Some(None),
        [Stmt::Return(returned)] => match returned.value.as_deref() {
            None | Some(Expr::NoneLiteral(_)) => Some(None),
            Some(Expr::StringLiteral(text)) => Some(Some(text.value.to_str().to_owned())),
            Some(_) => None,
        },
        _ => None,
    }
}

impl DispatchedNames {
    /// Overrides the names that directives set.
    pub(super) fn apply_to(self, settings: &mut RequestSettings, place: &ConfigLocation) {
        let set = |value: String| LocatedValue { value, place: place.clone() };
        for (name, into) in [
            (self.process, &mut settings.process),
            (self.application, &mut settings.application),
            (self.callable, &mut settings.callable),
        ] {
            if let Some(name) = name {
                *into = Some(set(name));
            }
        }
    }
}
