//! Names at a module's level that functions change, and what its functions call.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, Stmt};

use super::names::Names;

/// What a file has at its level.
#[derive(Debug, Default)]
pub(super) struct Globals {
    /// Containers, with their kind: `dict`.
    pub(super) containers: BTreeMap<String, String>,
    /// For each function at any level: what it calls, dotted.
    pub(super) calls: BTreeMap<String, BTreeSet<String>>,
}

impl Globals {
    pub(super) fn of(body: &[Stmt], names: &Names) -> Self {
        let mut globals = Self::default();
        for stmt in body {
            let (target, value) = match stmt {
                Stmt::Assign(assign) => (assign.targets.first(), Some(&*assign.value)),
                Stmt::AnnAssign(assign) => (Some(&*assign.target), assign.value.as_deref()),
                _ => (None, None),
            };
            if let (Some(Expr::Name(name)), Some(value)) = (target, value)
                && let Some(kind) = container(value, names)
            {
                globals.containers.insert(name.id.to_string(), kind);
            }
        }
        globals.functions(body, names);
        globals
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

/// Whether a value is an empty or small container that is there to be filled.
fn container(value: &Expr, names: &Names) -> Option<String> {
    match value {
        Expr::Dict(dict) if dict.items.is_empty() => Some("dict".to_owned()),
        Expr::List(list) if list.elts.is_empty() => Some("list".to_owned()),
        Expr::Call(call) => {
            let made = names.resolve(&call.func)?;
            let last = made.rsplit('.').next().unwrap_or(&made);
            let kinds = [
                "dict",
                "list",
                "set",
                "defaultdict",
                "OrderedDict",
                "deque",
                "Counter",
                "WeakValueDictionary",
                "WeakKeyDictionary",
                "WeakSet",
                "LRUCache",
                "TTLCache",
            ];
            kinds.contains(&last).then(|| last.to_owned())
        }
        _ => None,
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
