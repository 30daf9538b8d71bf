//! What a file's functions call.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, Stmt};

use super::names::Names;

/// What a file's functions call.
#[derive(Debug, Default)]
pub(super) struct Called {
    /// For each function at any level: what it calls, dotted.
    pub(super) calls: BTreeMap<String, BTreeSet<String>>,
}

impl Called {
    pub(super) fn of(body: &[Stmt], names: &Names) -> Self {
        let mut called = Self::default();
        called.functions(body, names);
        called
    }

    fn functions(&mut self, body: &[Stmt], names: &Names) {
        for stmt in body {
            match stmt {
                Stmt::FunctionDef(function) => {
                    let mut calls = Calls { names, found: BTreeSet::new() };
                    function.body.iter().for_each(|stmt| calls.visit_stmt(stmt));
                    self.calls.entry(function.name.to_string()).or_default().extend(calls.found);
                    self.functions(&function.body, names);
                }
                Stmt::ClassDef(class) => self.functions(&class.body, names),
                _ => {}
            }
        }
    }
}

struct Calls<'n> {
    names: &'n Names,
    found: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Calls<'_> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            self.found.extend(self.names.resolve(&call.func));
        }
        walk_expr(self, expr);
    }
}
