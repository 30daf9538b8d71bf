//! The names that a function binds: they shadow module-level names.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_except_handler, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{Comprehension, ExceptHandler, Expr, ExprContext, Parameters, Pattern, Stmt};

/// The names that a function or module binds, without those of functions and classes nested in it.
#[derive(Debug, Default)]
pub(super) struct BoundNames {
    /// Local names.
    pub(super) own: BTreeSet<String>,
    /// Names that only imports bind.
    pub(super) imported: BTreeSet<String>,
    /// Names in `global` statements.
    pub(super) global: BTreeSet<String>,
    outer: BTreeSet<String>,
}

impl BoundNames {
    pub(super) fn from_body(body: &[Stmt]) -> Self {
        let mut bound = Self::default();
        body.iter().for_each(|stmt| bound.visit_stmt(stmt));
        let Self { own, imported, global, outer } = &mut bound;
        own.retain(|name| !global.contains(name) && !outer.contains(name));
        imported.retain(|name| !own.contains(name) && !global.contains(name) && !outer.contains(name));
        bound
    }

    /// Whether a name is local, and bound by more than an import.
    pub(super) fn is_local(&self, name: &str) -> bool {
        self.own.contains(name)
    }
}

/// Returns the names of a function's parameters, in order.
pub(super) fn parameter_names(all: &Parameters) -> Vec<String> {
    all.iter().map(|each| each.name().to_string()).collect()
}

/// Returns the names that a target binds: `a`, `b` and `c` in `for a, (b, *c) in ...`.
pub(super) fn target_names(target: &Expr) -> Vec<&str> {
    match target {
        Expr::Name(name) => vec![name.id.as_str()],
        Expr::Tuple(tuple) => tuple.elts.iter().flat_map(target_names).collect(),
        Expr::List(list) => list.elts.iter().flat_map(target_names).collect(),
        Expr::Starred(starred) => target_names(&starred.value),
        _ => Vec::new(),
    }
}

impl<'a> Visitor<'a> for BoundNames {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                self.own.insert(function.name.to_string());
            }
            Stmt::ClassDef(class) => {
                self.own.insert(class.name.to_string());
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let first = alias.name.as_str().split('.').next().unwrap_or_default();
                    let name = alias.asname.as_ref().map_or(first, |name| name.as_str());
                    self.imported.insert(name.to_owned());
                }
            }
            Stmt::ImportFrom(import) => {
                let names = import.names.iter().map(|alias| alias.asname.as_ref().unwrap_or(&alias.name));
                self.imported.extend(names.map(|name| name.to_string()));
            }
            Stmt::Global(global) => self.global.extend(global.names.iter().map(|name| name.to_string())),
            Stmt::Nonlocal(outer) => self.outer.extend(outer.names.iter().map(|name| name.to_string())),
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => {
                if matches!(name.ctx, ExprContext::Store | ExprContext::Del) {
                    self.own.insert(name.id.to_string());
                }
            }
            Expr::Lambda(_) => {}
            _ => walk_expr(self, expr),
        }
    }

    /// The targets of a comprehension are local to it; `:=` in it binds a name of the function.
    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        self.visit_expr(&comprehension.iter);
        comprehension.ifs.iter().for_each(|test| self.visit_expr(test));
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        self.own.extend(inner.name.as_ref().map(|name| name.to_string()));
        walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(pattern) => pattern.name.as_ref(),
            Pattern::MatchStar(pattern) => pattern.name.as_ref(),
            Pattern::MatchMapping(pattern) => pattern.rest.as_ref(),
            _ => None,
        };
        self.own.extend(name.map(|name| name.to_string()));
        walk_pattern(self, pattern);
    }
}
