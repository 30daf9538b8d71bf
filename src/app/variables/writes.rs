//! A change of a variable by a function, and the statements that make one.

use std::collections::BTreeMap;

use ruff_python_ast::{Expr, ExprCall, ExprNamed, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::collect::Collector;
use super::context::Context;
use super::level::constant;
use super::origins::{self, Origins};
use super::scopes::targets;

/// A change of a variable by a function.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) at: TextSize,
    /// The function, with classes and functions around it.
    pub(super) function: String,
    pub(super) kind: Kind,
    /// What the key derives from, where there is one.
    pub(super) key: Origins,
    /// What the value derives from.
    pub(super) value: Origins,
    /// Whether the function looks first what is there.
    pub(super) is_tested: bool,
    pub(super) context: Context,
}

/// What a change does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Another value for the name; which one, if it is a constant.
    Rebind(Option<String>),
    /// An entry: `CACHE[key] = value`, `SEEN.add(key)`. Twice has the effect of once.
    Item,
    /// One entry more: `QUEUE.append(value)`.
    Add,
    /// What is there is counted on: `HITS += 1`.
    Count,
    /// What an entry holds: `CARTS[user].append(item)`.
    Within,
    /// Entries, or the name, go.
    Remove,
}

/// What functions do with one variable.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    pub(super) writes: Vec<Write>,
    /// How often it is read where nothing changes it.
    pub(super) reads: usize,
}

/// All variables of a module, by name.
pub(super) type Uses = BTreeMap<String, Use>;

/// A statement.
pub(super) fn statement(collector: &mut Collector<'_>, stmt: &Stmt) {
    if !collector.is_in_function() {
        return;
    }
    let at = stmt.start();
    match stmt {
        Stmt::Assign(assign) => {
            assign.targets.iter().for_each(|target| bind(collector, at, target, Some(&assign.value)));
        }
        Stmt::AnnAssign(assign) => {
            if let Some(value) = &assign.value {
                bind(collector, at, &assign.target, Some(value));
            }
        }
        Stmt::AugAssign(assign) => count(collector, at, &assign.target, &assign.value),
        Stmt::For(each) => bind(collector, at, &each.target, Some(&each.iter)),
        Stmt::With(block) => {
            for item in &block.items {
                if let Some(target) = &item.optional_vars {
                    bind(collector, at, target, Some(&item.context_expr));
                }
            }
        }
        Stmt::Delete(delete) => delete.targets.iter().for_each(|target| remove(collector, at, target)),
        Stmt::Import(import) => {
            for alias in &import.names {
                let first = alias.name.as_str().split('.').next().unwrap_or_default();
                define(collector, at, alias.asname.as_ref().map_or(first, |name| name.as_str()));
            }
        }
        Stmt::ImportFrom(import) => {
            for alias in &import.names {
                define(collector, at, alias.asname.as_ref().unwrap_or(&alias.name).as_str());
            }
        }
        Stmt::FunctionDef(function) => define(collector, at, function.name.as_str()),
        Stmt::ClassDef(class) => define(collector, at, class.name.as_str()),
        _ => {}
    }
}

/// `name := value`.
pub(super) fn walrus(collector: &mut Collector<'_>, named: &ExprNamed) {
    if collector.is_in_function() {
        bind(collector, named.start(), &named.target, Some(&named.value));
    }
}

/// A call of a container's method.
pub(super) fn call(collector: &mut Collector<'_>, call: &ExprCall) {
    let Expr::Attribute(method) = &*call.func else { return };
    if !collector.is_in_function() {
        return;
    }
    let name = method.attr.as_str();
    let arguments =
        || call.arguments.args.iter().chain(call.arguments.keywords.iter().map(|each| &each.value));
    let all = |collector: &Collector<'_>| {
        let mut joined = Origins::default();
        arguments().for_each(|each| joined.join(origins::of(collector, each)));
        joined
    };
    let first = |collector: &Collector<'_>| {
        arguments().next().map(|each| origins::of(collector, each)).unwrap_or_default()
    };
    let last = |collector: &Collector<'_>| {
        arguments().nth(1).map(|each| origins::of(collector, each)).unwrap_or_default()
    };
    let is_removal =
        ["pop", "popitem", "clear", "remove", "discard", "popleft", "get_nowait"].contains(&name);
    if let Some((variable, kind)) = container(collector, &method.value) {
        let (kind, key, value) = match name {
            "append" | "appendleft" | "extend" | "extendleft" | "insert" | "put" | "put_nowait" => {
                (Kind::Add, Origins::default(), all(collector))
            }
            "add" => (Kind::Item, all(collector), Origins::default()),
            "update" if kind == "Counter" => (Kind::Count, all(collector), Origins::default()),
            "update" => (Kind::Item, all(collector), all(collector)),
            "setdefault" | "__setitem__" => (Kind::Item, first(collector), last(collector)),
            "get" if kind.ends_with("Queue") => (Kind::Remove, Origins::default(), Origins::default()),
            _ if is_removal => (Kind::Remove, first(collector), Origins::default()),
            _ => return,
        };
        collector.changed.insert(method.value.start());
        if kind == Kind::Remove && ["pop", "popitem", "popleft", "get", "get_nowait"].contains(&name) {
            collector.uses.entry(variable.clone()).or_default().reads += 1;
        }
        let is_own_test = name == "setdefault";
        return note(collector, call.start(), variable, kind, (key, value), is_own_test);
    }
    let changes = ["append", "appendleft", "extend", "insert", "add", "update", "setdefault", "put"];
    if (changes.contains(&name) || is_removal)
        && let Some((variable, key)) = entry(collector, &method.value)
    {
        let value = all(collector);
        note(collector, call.start(), variable, Kind::Within, (key, value), false);
    }
}

/// The container of the module that an expression is, with its kind.
fn container(collector: &Collector<'_>, expr: &Expr) -> Option<(String, String)> {
    let variable = collector.variable(expr)?;
    let kind = collector.level.containers.get(&variable)?.clone();
    Some((variable, kind))
}

/// The container of the module of which an expression is an entry, with what the key derives from: `CARTS[user]`,
/// `CARTS.setdefault(user, [])`, `CARTS[user]["items"]`.
fn entry(collector: &Collector<'_>, expr: &Expr) -> Option<(String, Origins)> {
    let (of, key) = match expr {
        Expr::Subscript(item) => (&*item.value, Some(&*item.slice)),
        Expr::Call(call) => {
            let Expr::Attribute(method) = &*call.func else { return None };
            if !["get", "setdefault"].contains(&method.attr.as_str()) {
                return None;
            }
            (&*method.value, call.arguments.args.first())
        }
        _ => return None,
    };
    let mut origins = key.map(|key| origins::of(collector, key)).unwrap_or_default();
    if let Some((variable, _)) = container(collector, of) {
        return Some((variable, origins));
    }
    let (variable, outer) = entry(collector, of)?;
    origins.join(outer);
    Some((variable, origins))
}

/// A name, an entry or an attribute of a class gets a value.
fn bind(collector: &mut Collector<'_>, at: TextSize, target: &Expr, value: Option<&Expr>) {
    match target {
        Expr::Tuple(all) => {
            let values = match value {
                Some(Expr::Tuple(values)) if values.elts.len() == all.elts.len() => Some(&values.elts),
                _ => None,
            };
            for (index, each) in all.elts.iter().enumerate() {
                let own = values.and_then(|values| values.get(index));
                bind(collector, at, each, own.or(value));
            }
        }
        Expr::List(all) => all.elts.iter().for_each(|each| bind(collector, at, each, value)),
        Expr::Starred(starred) => bind(collector, at, &starred.value, value),
        Expr::Name(_) | Expr::Attribute(_) => {
            let Some(variable) = changeable(collector, target) else { return };
            let origins = value.map(|value| origins::of(collector, value)).unwrap_or_default();
            let kind = match origins.counted.contains(&variable) {
                true => Kind::Count,
                false => Kind::Rebind(value.and_then(constant)),
            };
            note(collector, at, variable, kind, (Origins::default(), origins), false);
        }
        Expr::Subscript(item) => {
            let value = value.map(|value| origins::of(collector, value)).unwrap_or_default();
            if let Some((variable, _)) = container(collector, &item.value) {
                let key = origins::of(collector, &item.slice);
                let kind = if value.counted.contains(&variable) { Kind::Count } else { Kind::Item };
                collector.changed.insert(item.value.start());
                note(collector, at, variable, kind, (key, value), false);
            } else if let Some((variable, mut key)) = entry(collector, &item.value) {
                key.join(origins::of(collector, &item.slice));
                note(collector, at, variable, Kind::Within, (key, value), false);
            }
        }
        _ => {}
    }
}

/// `HITS += 1`, `HITS[user] += 1`.
fn count(collector: &mut Collector<'_>, at: TextSize, target: &Expr, value: &Expr) {
    let value = origins::of(collector, value);
    if let Expr::Subscript(item) = target {
        let key = origins::of(collector, &item.slice);
        if let Some((variable, _)) = container(collector, &item.value) {
            collector.changed.insert(item.value.start());
            note(collector, at, variable, Kind::Count, (key, value), false);
        } else if let Some((variable, mut outer)) = entry(collector, &item.value) {
            outer.join(key);
            note(collector, at, variable, Kind::Within, (outer, value), false);
        }
    } else if let Some(variable) = changeable(collector, target) {
        note(collector, at, variable, Kind::Count, (Origins::default(), value), false);
    }
}

/// `del CACHE[key]`, and `del CACHE` below `global CACHE`.
fn remove(collector: &mut Collector<'_>, at: TextSize, target: &Expr) {
    match target {
        Expr::Subscript(item) => {
            let key = origins::of(collector, &item.slice);
            if let Some((variable, _)) = container(collector, &item.value) {
                collector.changed.insert(item.value.start());
                note(collector, at, variable, Kind::Remove, (key, Origins::default()), false);
            } else if let Some((variable, outer)) = entry(collector, &item.value) {
                note(collector, at, variable, Kind::Within, (outer, Origins::default()), false);
            }
        }
        Expr::Tuple(all) => all.elts.iter().for_each(|each| remove(collector, at, each)),
        _ => {
            if let Some(variable) = changeable(collector, target) {
                note(collector, at, variable, Kind::Remove, (Origins::default(), Origins::default()), false);
            }
        }
    }
}

/// An import, a function or a class below `global` of its name: the same wherever it is made.
fn define(collector: &mut Collector<'_>, at: TextSize, name: &str) {
    if collector.gives_to_module(name) {
        let made = (Origins::default(), Origins::default());
        note(collector, at, name.to_owned(), Kind::Rebind(None), made, false);
    }
}

/// The variable of the module that a function may assign: a name below `global`, or an attribute of a class.
fn changeable(collector: &Collector<'_>, target: &Expr) -> Option<String> {
    match target {
        Expr::Name(_) => {
            let name = *targets(target).first()?;
            collector.gives_to_module(name).then(|| name.to_owned())
        }
        // An attribute of `self` is the object's, whatever its class has.
        Expr::Attribute(attribute) => match &*attribute.value {
            Expr::Name(name) if name.id.as_str() == "self" => None,
            _ => collector.variable(target),
        },
        _ => None,
    }
}

fn note(
    collector: &mut Collector<'_>,
    at: TextSize,
    variable: String,
    kind: Kind,
    (key, value): (Origins, Origins),
    is_tested: bool,
) {
    let write = Write {
        at,
        function: collector.function(),
        kind,
        is_tested: is_tested || collector.is_tested(&variable),
        context: collector.context(&[&key, &value]),
        key,
        value,
    };
    collector.uses.entry(variable).or_default().writes.push(write);
}
