//! What imported names stand for: `T` is `threading.Thread` after `from threading import Thread as T`.

use std::collections::BTreeMap;

use ruff_python_ast::visitor::{Visitor, walk_stmt};
use ruff_python_ast::{Expr, Stmt};

/// The imported names of a file, wherever in it they are imported, with their dotted names.
#[derive(Debug, Default)]
pub(super) struct ImportAliases(BTreeMap<String, String>);

impl ImportAliases {
    pub(super) fn from_body(body: &[Stmt]) -> Self {
        let mut names = Self::default();
        body.iter().for_each(|stmt| names.visit_stmt(stmt));
        names
    }

    /// Returns the dotted name of an expression. Imported names are replaced by what they stand for; others
    /// stay as they are written (`self.pool`).
    pub(super) fn resolve_name(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Name(name) => {
                Some(self.0.get(name.id.as_str()).cloned().unwrap_or_else(|| name.id.to_string()))
            }
            Expr::Attribute(attribute) => {
                Some(format!("{}.{}", self.resolve_name(&attribute.value)?, attribute.attr.as_str()))
            }
            _ => None,
        }
    }
}

impl<'a> Visitor<'a> for ImportAliases {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.as_str();
                    match &alias.asname {
                        Some(asname) => self.0.insert(asname.to_string(), name.to_owned()),
                        None => {
                            let first = name.split('.').next().unwrap_or(name).to_owned();
                            self.0.insert(first.clone(), first)
                        }
                    };
                }
            }
            Stmt::ImportFrom(import) if import.level == 0 => {
                let Some(module) = &import.module else { return };
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).to_string();
                    self.0.insert(name, format!("{module}.{}", alias.name));
                }
            }
            _ => walk_stmt(self, stmt),
        }
    }
}
