//! Which functions each function of a file calls.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, Stmt};

use super::import_aliases::ImportAliases;

/// Which functions each function of a file calls.
#[derive(Debug, Default)]
pub(super) struct FunctionCalls {
    /// By name of the function, at any nesting level: the dotted names of the functions it calls.
    pub(super) calls: BTreeMap<String, BTreeSet<String>>,
}

impl FunctionCalls {
    pub(super) fn from_body(body: &[Stmt], names: &ImportAliases) -> Self {
        let mut called = Self::default();
        called.collect_functions(body, names);
        called
    }

    fn collect_functions(&mut self, body: &[Stmt], names: &ImportAliases) {
        for stmt in body {
            match stmt {
                Stmt::FunctionDef(function) => {
                    let mut calls = CallCollector { names, found: BTreeSet::new() };
                    function.body.iter().for_each(|stmt| calls.visit_stmt(stmt));
                    self.calls.entry(function.name.to_string()).or_default().extend(calls.found);
                    self.collect_functions(&function.body, names);
                }
                Stmt::ClassDef(class) => self.collect_functions(&class.body, names),
                _ => {}
            }
        }
    }
}

struct CallCollector<'n> {
    names: &'n ImportAliases,
    found: BTreeSet<String>,
}

impl<'a> Visitor<'a> for CallCollector<'_> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            self.found.extend(self.names.resolve_name(&call.func));
        }
        walk_expr(self, expr);
    }
}
