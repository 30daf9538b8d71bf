//! What a module has at its level: containers, locks, classes with theirs; and which functions run at import.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprContext, Stmt};

use super::scopes::{Bound, targets};
use crate::app::conditions::{Branch, may_run};
use crate::app::names::Names;

/// What a module has at its level. An attribute of a class is named with it: `Shop.carts`.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// Whether the file is the application's own, and no library's.
    pub(super) is_own: bool,
    /// Containers, each with its kind: `dict`.
    pub(super) containers: BTreeMap<String, String>,
    /// Locks, each with what makes it: `threading.Lock`.
    pub(super) locks: BTreeMap<String, String>,
    /// Every name of the module, with those that only `global` in a function makes.
    pub(super) names: BTreeSet<String>,
    /// Classes at the level of the module.
    pub(super) classes: BTreeSet<String>,
    /// Attributes that methods also assign to `self`: each object has its own.
    pub(super) of_objects: BTreeSet<String>,
    /// The constants that names are first assigned, as they are written.
    pub(super) constants: BTreeMap<String, String>,
    /// Functions that the module calls at its level, or decorates something with: `fill`, `Shop.fill`.
    pub(super) at_import: BTreeSet<String>,
}

impl Level {
    pub(super) fn of(body: &[Stmt], names: &Names, is_own: bool) -> Self {
        let mut level = Self { is_own, ..Self::default() };
        let bound = Bound::of(body);
        level.names.extend(bound.own);
        level.body(body, names, None);
        let mut all =
            Whole { names, at_import: BTreeSet::new(), depth: 0, global: BTreeSet::new(), made: Vec::new() };
        body.iter().for_each(|stmt| all.visit_stmt(stmt));
        for (name, kind) in all.made {
            if all.global.contains(&name) {
                level.containers.entry(name).or_insert(kind);
            }
        }
        level.at_import = all.at_import;
        level.names.extend(all.global);
        level
    }

    fn body(&mut self, body: &[Stmt], names: &Names, class: Option<&str>) {
        for stmt in body {
            match stmt {
                Stmt::Assign(assign) => {
                    assign.targets.iter().for_each(|target| self.assign(target, &assign.value, names, class));
                }
                Stmt::AnnAssign(assign) => {
                    if let Some(value) = &assign.value {
                        self.assign(&assign.target, value, names, class);
                    }
                }
                Stmt::ClassDef(inner) if class.is_none() => {
                    let name = inner.name.as_str();
                    self.classes.insert(name.to_owned());
                    self.body(&inner.body, names, Some(name));
                    let mut own = OfSelf::default();
                    inner.body.iter().for_each(|stmt| own.visit_stmt(stmt));
                    self.of_objects.extend(own.0.into_iter().map(|attribute| format!("{name}.{attribute}")));
                }
                Stmt::If(branch) => {
                    may_run(branch).for_each(|branch| self.body(branch.body, names, class));
                }
                Stmt::Try(block) => {
                    self.body(&block.body, names, class);
                    self.body(&block.orelse, names, class);
                }
                Stmt::With(block) => self.body(&block.body, names, class),
                _ => {}
            }
        }
    }

    fn assign(&mut self, target: &Expr, value: &Expr, names: &Names, class: Option<&str>) {
        let Expr::Name(name) = target else { return };
        let full = match class {
            Some(class) => format!("{class}.{}", name.id),
            None => name.id.to_string(),
        };
        if let Some(kind) = container(value, names) {
            self.containers.insert(full.clone(), kind);
        }
        if let Some(made) = lock(value, names) {
            self.locks.insert(full.clone(), made);
        }
        if let Some(constant) = constant(value) {
            self.constants.entry(full).or_insert(constant);
        }
    }
}

/// Kinds of containers whose entries live as long as objects of the same interpreter.
pub(super) fn is_weak(kind: &str) -> bool {
    kind.starts_with("Weak")
}

/// The kind of a container that functions may change.
pub(super) fn container(value: &Expr, names: &Names) -> Option<String> {
    let kind = match value {
        Expr::Dict(_) | Expr::DictComp(_) => "dict",
        Expr::List(_) | Expr::ListComp(_) => "list",
        Expr::Set(_) | Expr::SetComp(_) => "set",
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
                "Queue",
                "LifoQueue",
                "PriorityQueue",
                "SimpleQueue",
                "WeakValueDictionary",
                "WeakKeyDictionary",
                "WeakSet",
                "LRUCache",
                "TTLCache",
            ];
            return kinds.contains(&last).then(|| last.to_owned());
        }
        _ => return None,
    };
    Some(kind.to_owned())
}

fn lock(value: &Expr, names: &Names) -> Option<String> {
    let Expr::Call(call) = value else { return None };
    let kinds = [
        "threading.Lock",
        "threading.RLock",
        "threading.Semaphore",
        "threading.BoundedSemaphore",
        "threading.Condition",
    ];
    names.resolve(&call.func).filter(|made| kinds.contains(&made.as_str()))
}

/// A value that is the same wherever it is computed, in words.
pub(super) fn constant(value: &Expr) -> Option<String> {
    match value {
        Expr::NoneLiteral(_) => Some("None".to_owned()),
        Expr::BooleanLiteral(literal) => Some(if literal.value { "True" } else { "False" }.to_owned()),
        Expr::NumberLiteral(literal) => Some(format!("{:?}", literal.value)),
        Expr::StringLiteral(literal) => Some(format!("{:?}", literal.value.to_str())),
        Expr::Dict(dict) if dict.items.is_empty() => Some("{}".to_owned()),
        Expr::List(list) if list.elts.is_empty() => Some("[]".to_owned()),
        Expr::Tuple(tuple) if tuple.elts.is_empty() => Some("()".to_owned()),
        _ => None,
    }
}

/// What is found anywhere in the file.
struct Whole<'n> {
    names: &'n Names,
    depth: usize,
    /// Functions that run when the module is imported.
    at_import: BTreeSet<String>,
    /// What `global` names.
    global: BTreeSet<String>,
    /// Containers that functions make.
    made: Vec<(String, String)>,
}

impl Whole<'_> {
    fn runs(&mut self, function: &Expr) {
        match function {
            Expr::Name(name) => {
                self.at_import.insert(name.id.to_string());
            }
            Expr::Attribute(attribute) => {
                if let Expr::Name(class) = &*attribute.value {
                    self.at_import.insert(format!("{}.{}", class.id, attribute.attr));
                }
            }
            Expr::Call(call) => self.runs(&call.func),
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for Whole<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|each| self.runs(&each.expression));
                self.depth += 1;
                function.body.iter().for_each(|stmt| self.visit_stmt(stmt));
                self.depth -= 1;
            }
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|each| self.runs(&each.expression));
                class.body.iter().for_each(|stmt| self.visit_stmt(stmt));
            }
            Stmt::If(branch) => may_run(branch).for_each(|Branch { test, body, .. }| {
                test.into_iter().for_each(|test| self.visit_expr(test));
                body.iter().for_each(|stmt| self.visit_stmt(stmt));
            }),
            Stmt::Global(global) => self.global.extend(global.names.iter().map(|name| name.to_string())),
            Stmt::Assign(assign) => {
                if let Some(kind) = container(&assign.value, self.names) {
                    let names = assign.targets.iter().flat_map(targets);
                    self.made.extend(names.map(|name| (name.to_owned(), kind.clone())));
                }
                walk_stmt(self, stmt);
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(_) => {}
            Expr::Call(call) => {
                if self.depth == 0 {
                    self.runs(&call.func);
                }
                walk_expr(self, expr);
            }
            _ => walk_expr(self, expr),
        }
    }
}

/// The attributes that methods assign to `self`.
#[derive(Default)]
struct OfSelf(BTreeSet<String>);

impl<'a> Visitor<'a> for OfSelf {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Attribute(attribute) = expr
            && attribute.ctx == ExprContext::Store
            && matches!(&*attribute.value, Expr::Name(name) if name.id.as_str() == "self")
        {
            self.0.insert(attribute.attr.to_string());
        }
        walk_expr(self, expr);
    }
}
