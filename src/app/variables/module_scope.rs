//! The module-level names of a file: containers, locks and classes; and the functions that run at import.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprContext, Stmt};

use super::bound_names::{BoundNames, target_names};
use crate::app::conditions::{EvaluatedBranch, reachable_branches};
use crate::app::import_aliases::ImportAliases;

/// The module-level names of a file. Class attributes are qualified with the class: `Shop.carts`.
#[derive(Debug, Default)]
pub(super) struct ModuleScope {
    /// Whether the file is the application's own, and not a library's.
    pub(super) is_own: bool,
    /// Containers, each with its type: `dict`.
    pub(super) containers: BTreeMap<String, String>,
    /// Locks, each with its type: `threading.Lock`.
    pub(super) locks: BTreeMap<String, String>,
    /// All module-level names, including those that functions create by `global`.
    pub(super) names: BTreeSet<String>,
    /// Module-level classes.
    pub(super) classes: BTreeSet<String>,
    /// Class attributes that methods also assign to `self`: each object has its own.
    pub(super) of_objects: BTreeSet<String>,
    /// Names whose first value is a constant, with its text.
    pub(super) constants: BTreeMap<String, String>,
    /// Functions that are called at module level or used as decorators: `fill`, `Shop.fill`.
    pub(super) at_import: BTreeSet<String>,
}

impl ModuleScope {
    pub(super) fn from_body(body: &[Stmt], names: &ImportAliases, is_own: bool) -> Self {
        let mut module = Self { is_own, ..Self::default() };
        let bound = BoundNames::from_body(body);
        module.names.extend(bound.own);
        module.collect_statements(body, names, None);
        let mut all = ModuleVisitor {
            names,
            at_import: BTreeSet::new(),
            depth: 0,
            global: BTreeSet::new(),
            made: Vec::new(),
        };
        body.iter().for_each(|stmt| all.visit_stmt(stmt));
        for (name, kind) in all.made {
            if all.global.contains(&name) {
                module.containers.entry(name).or_insert(kind);
            }
        }
        module.at_import = all.at_import;
        module.names.extend(all.global);
        module
    }

    fn collect_statements(&mut self, body: &[Stmt], names: &ImportAliases, class: Option<&str>) {
        for stmt in body {
            match stmt {
                Stmt::Assign(assign) => {
                    assign
                        .targets
                        .iter()
                        .for_each(|target| self.record_assignment(target, &assign.value, names, class));
                }
                Stmt::AnnAssign(assign) => {
                    if let Some(value) = &assign.value {
                        self.record_assignment(&assign.target, value, names, class);
                    }
                }
                Stmt::ClassDef(inner) if class.is_none() => {
                    let name = inner.name.as_str();
                    self.classes.insert(name.to_owned());
                    self.collect_statements(&inner.body, names, Some(name));
                    let mut own = SelfAttributeVisitor::default();
                    inner.body.iter().for_each(|stmt| own.visit_stmt(stmt));
                    self.of_objects.extend(own.0.into_iter().map(|attribute| format!("{name}.{attribute}")));
                }
                Stmt::If(branch) => {
                    reachable_branches(branch)
                        .for_each(|branch| self.collect_statements(branch.body, names, class));
                }
                Stmt::Try(block) => {
                    self.collect_statements(&block.body, names, class);
                    self.collect_statements(&block.orelse, names, class);
                }
                Stmt::With(block) => self.collect_statements(&block.body, names, class),
                _ => {}
            }
        }
    }

    fn record_assignment(&mut self, target: &Expr, value: &Expr, names: &ImportAliases, class: Option<&str>) {
        let Expr::Name(name) = target else { return };
        let full = match class {
            Some(class) => format!("{class}.{}", name.id),
            None => name.id.to_string(),
        };
        if let Some(kind) = container_kind(value, names) {
            self.containers.insert(full.clone(), kind);
        }
        if let Some(made) = lock_constructor(value, names) {
            self.locks.insert(full.clone(), made);
        }
        if let Some(constant) = constant_text(value) {
            self.constants.entry(full).or_insert(constant);
        }
    }
}

/// Whether a container type has weak references: its entries live only as long as objects of the same
/// interpreter.
pub(super) fn is_weak_container(kind: &str) -> bool {
    kind.starts_with("Weak")
}

/// Returns the type of a mutable container that an expression creates.
pub(super) fn container_kind(value: &Expr, names: &ImportAliases) -> Option<String> {
    let kind = match value {
        Expr::Dict(_) | Expr::DictComp(_) => "dict",
        Expr::List(_) | Expr::ListComp(_) => "list",
        Expr::Set(_) | Expr::SetComp(_) => "set",
        Expr::Call(call) => {
            let made = names.resolve_name(&call.func)?;
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

fn lock_constructor(value: &Expr, names: &ImportAliases) -> Option<String> {
    let Expr::Call(call) = value else { return None };
    let kinds = [
        "threading.Lock",
        "threading.RLock",
        "threading.Semaphore",
        "threading.BoundedSemaphore",
        "threading.Condition",
    ];
    names.resolve_name(&call.func).filter(|made| kinds.contains(&made.as_str()))
}

/// Returns the text of a constant expression.
pub(super) fn constant_text(value: &Expr) -> Option<String> {
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

/// Visits the whole file, functions included.
struct ModuleVisitor<'n> {
    names: &'n ImportAliases,
    depth: usize,
    /// Functions that run when the module is imported.
    at_import: BTreeSet<String>,
    /// Names in `global` statements.
    global: BTreeSet<String>,
    /// Names that a container is assigned to anywhere, with its type.
    made: Vec<(String, String)>,
}

impl ModuleVisitor<'_> {
    fn record_import_time_call(&mut self, function: &Expr) {
        match function {
            Expr::Name(name) => {
                self.at_import.insert(name.id.to_string());
            }
            Expr::Attribute(attribute) => {
                if let Expr::Name(class) = &*attribute.value {
                    self.at_import.insert(format!("{}.{}", class.id, attribute.attr));
                }
            }
            Expr::Call(call) => self.record_import_time_call(&call.func),
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for ModuleVisitor<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                function
                    .decorator_list
                    .iter()
                    .for_each(|each| self.record_import_time_call(&each.expression));
                self.depth += 1;
                function.body.iter().for_each(|stmt| self.visit_stmt(stmt));
                self.depth -= 1;
            }
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|each| self.record_import_time_call(&each.expression));
                class.body.iter().for_each(|stmt| self.visit_stmt(stmt));
            }
            Stmt::If(branch) => {
                reachable_branches(branch).for_each(|EvaluatedBranch { test, body, .. }| {
                    test.into_iter().for_each(|test| self.visit_expr(test));
                    body.iter().for_each(|stmt| self.visit_stmt(stmt));
                })
            }
            Stmt::Global(global) => self.global.extend(global.names.iter().map(|name| name.to_string())),
            Stmt::Assign(assign) => {
                if let Some(kind) = container_kind(&assign.value, self.names) {
                    let names = assign.targets.iter().flat_map(target_names);
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
                    self.record_import_time_call(&call.func);
                }
                walk_expr(self, expr);
            }
            _ => walk_expr(self, expr),
        }
    }
}

/// Collects the attributes that methods assign to `self`.
#[derive(Default)]
struct SelfAttributeVisitor(BTreeSet<String>);

impl<'a> Visitor<'a> for SelfAttributeVisitor {
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
