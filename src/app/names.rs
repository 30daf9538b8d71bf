//! What names in a file stand for: `T` is `threading.Thread` after `from threading import Thread as T`.

use std::collections::BTreeMap;

use ruff_python_ast::visitor::{Visitor, walk_stmt};
use ruff_python_ast::{Expr, Stmt};

/// A file's names of what it imports, wherever in it they are imported.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    pub(super) fn of(body: &[Stmt]) -> Self {
        let mut names = Self::default();
        body.iter().for_each(|stmt| names.visit_stmt(stmt));
        names
    }

    /// The dotted name that an expression stands for: of what was imported, or of the file's own (`self.pool`).
    pub(super) fn resolve(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Name(name) => {
                Some(self.0.get(name.id.as_str()).cloned().unwrap_or_else(|| name.id.to_string()))
            }
            Expr::Attribute(attribute) => {
                Some(format!("{}.{}", self.resolve(&attribute.value)?, attribute.attr.as_str()))
            }
            _ => None,
        }
    }
}

impl<'a> Visitor<'a> for Names {
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
