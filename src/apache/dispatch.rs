//! `WSGIDispatchScript`: functions that name the groups of each request. One that returns a constant is as good as a directive.

use std::path::Path;

use ruff_python_ast::{Expr, Stmt};
use ruff_python_parser::parse_module;

use super::Source;
use super::settings::Settings;
use super::values::Set;
use crate::model::ConfigPlace;

/// What a script says; `None` where it leaves a name as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    process: Option<String>,
    application: Option<String>,
    callable: Option<String>,
}

/// Reads one.
///
/// # Errors
/// What it says depends on the request, or it cannot be read.
pub(super) fn read(script: &Path, source: &dyn Source) -> Result<Said, String> {
    let named = script.display();
    let text = source
        .read(script)
        .map_err(|error| format!("the dispatch script {named} cannot be read: {error}"))?;
    let parsed = parse_module(&text).map_err(|error| format!("the dispatch script {named}: {error}"))?;
    let mut said = Said::default();
    for statement in &parsed.syntax().body {
        let defines = |name: &str| match name {
            "process_group" | "application_group" | "callable_object" => Err(format!(
                "the dispatch script {named} decides for each request: {name} is more than a constant"
            )),
            _ => Ok(()),
        };
        let is_harmless =
            matches!(statement, Stmt::Import(_) | Stmt::Expr(_) | Stmt::Pass(_) | Stmt::ClassDef(_));
        if let Stmt::FunctionDef(function) = statement {
            let name = function.name.as_str();
            let into = match name {
                "process_group" => &mut said.process,
                "application_group" => &mut said.application,
                "callable_object" => &mut said.callable,
                _ => continue,
            };
            match (constant(&function.body), function.decorator_list.is_empty()) {
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
                    return Err(format!("the dispatch script {named} imports names that are not told"));
                }
            }
        } else if !is_harmless {
            return Err(format!("the dispatch script {named} is more than functions"));
        }
    }
    Ok(said)
}

/// What a function returns where it does nothing else: the outer `None` where it does.
#[expect(clippy::option_option, reason = "returning None is a constant too")]
fn constant(body: &[Stmt]) -> Option<Option<String>> {
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

impl Said {
    /// Puts the names in the place of those that directives set.
    pub(super) fn put_into(self, settings: &mut Settings, place: &ConfigPlace) {
        let set = |value: String| Set { value, place: place.clone() };
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
