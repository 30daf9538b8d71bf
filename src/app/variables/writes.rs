//! Writes of module-level variables by functions, and the statements and calls that are writes.

use ruff_python_ast::{Expr, ExprCall, ExprNamed, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::accesses::{VariableWrite, WriteKind};
use super::bound_names::target_names;
use super::collector::VariableCollector;
use super::expression_origins::origins_of_expr;
use super::module_scope::constant_text;
use super::origins::Origins;

/// Records the writes of a statement.
pub(super) fn record_statement(collector: &mut VariableCollector<'_>, stmt: &Stmt) {
    if !collector.is_in_function() {
        return;
    }
    let at = stmt.start();
    match stmt {
        Stmt::Assign(assign) => {
            assign
                .targets
                .iter()
                .for_each(|target| record_assignment(collector, at, target, Some(&assign.value)));
        }
        Stmt::AnnAssign(assign) => {
            if let Some(value) = &assign.value {
                record_assignment(collector, at, &assign.target, Some(value));
            }
        }
        Stmt::AugAssign(assign) => record_augmented_assignment(collector, at, &assign.target, &assign.value),
        Stmt::For(each) => record_assignment(collector, at, &each.target, Some(&each.iter)),
        Stmt::With(block) => {
            for item in &block.items {
                if let Some(target) = &item.optional_vars {
                    record_assignment(collector, at, target, Some(&item.context_expr));
                }
            }
        }
        Stmt::Delete(delete) => {
            delete.targets.iter().for_each(|target| record_deletion(collector, at, target))
        }
        Stmt::Import(import) => {
            for alias in &import.names {
                let first = alias.name.as_str().split('.').next().unwrap_or_default();
                record_definition(collector, at, alias.asname.as_ref().map_or(first, |name| name.as_str()));
            }
        }
        Stmt::ImportFrom(import) => {
            for alias in &import.names {
                record_definition(collector, at, alias.asname.as_ref().unwrap_or(&alias.name).as_str());
            }
        }
        Stmt::FunctionDef(function) => record_definition(collector, at, function.name.as_str()),
        Stmt::ClassDef(class) => record_definition(collector, at, class.name.as_str()),
        _ => {}
    }
}

/// Records `name := value`.
pub(super) fn record_walrus(collector: &mut VariableCollector<'_>, named: &ExprNamed) {
    if collector.is_in_function() {
        record_assignment(collector, named.start(), &named.target, Some(&named.value));
    }
}

/// Records a method call that changes a container.
pub(super) fn record_method_call(collector: &mut VariableCollector<'_>, call: &ExprCall) {
    let Expr::Attribute(method) = &*call.func else { return };
    if !collector.is_in_function() {
        return;
    }
    let name = method.attr.as_str();
    let arguments =
        || call.arguments.args.iter().chain(call.arguments.keywords.iter().map(|each| &each.value));
    let all = |collector: &VariableCollector<'_>| {
        let mut joined = Origins::default();
        arguments().for_each(|each| joined.merge(origins_of_expr(collector, each)));
        joined
    };
    let first = |collector: &VariableCollector<'_>| {
        arguments().next().map(|each| origins_of_expr(collector, each)).unwrap_or_default()
    };
    let last = |collector: &VariableCollector<'_>| {
        arguments().nth(1).map(|each| origins_of_expr(collector, each)).unwrap_or_default()
    };
    let is_removal =
        ["pop", "popitem", "clear", "remove", "discard", "popleft", "get_nowait"].contains(&name);
    if let Some((variable, kind)) = resolve_container(collector, &method.value) {
        let (kind, key, value) = match name {
            "append" | "appendleft" | "extend" | "extendleft" | "insert" | "put" | "put_nowait" => {
                (WriteKind::Add, Origins::default(), all(collector))
            }
            "add" => (WriteKind::Item, all(collector), Origins::default()),
            "update" if kind == "Counter" => (WriteKind::Count, all(collector), Origins::default()),
            "update" => (WriteKind::Item, all(collector), all(collector)),
            "setdefault" | "__setitem__" => (WriteKind::Item, first(collector), last(collector)),
            "get" if kind.ends_with("Queue") => (WriteKind::Remove, Origins::default(), Origins::default()),
            _ if is_removal => (WriteKind::Remove, first(collector), Origins::default()),
            _ => return,
        };
        collector.changed.insert(method.value.start());
        if kind == WriteKind::Remove && ["pop", "popitem", "popleft", "get", "get_nowait"].contains(&name) {
            collector.accesses.entry(variable.clone()).or_default().reads += 1;
        }
        let is_own_test = name == "setdefault";
        return record_write(collector, call.start(), variable, kind, (key, value), is_own_test);
    }
    let changes = ["append", "appendleft", "extend", "insert", "add", "update", "setdefault", "put"];
    if (changes.contains(&name) || is_removal)
        && let Some((variable, key)) = resolve_entry(collector, &method.value)
    {
        let value = all(collector);
        record_write(collector, call.start(), variable, WriteKind::Within, (key, value), false);
    }
}

/// Returns the module-level container that an expression names, with its type.
fn resolve_container(collector: &VariableCollector<'_>, expr: &Expr) -> Option<(String, String)> {
    let variable = collector.resolve_variable(expr)?;
    let kind = collector.module.containers.get(&variable)?.clone();
    Some((variable, kind))
}

/// Returns the module-level container that an expression is an entry of, with the origins of the key:
/// `CARTS[user]`, `CARTS.setdefault(user, [])`, `CARTS[user]["items"]`.
fn resolve_entry(collector: &VariableCollector<'_>, expr: &Expr) -> Option<(String, Origins)> {
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
    let mut origins = key.map(|key| origins_of_expr(collector, key)).unwrap_or_default();
    if let Some((variable, _)) = resolve_container(collector, of) {
        return Some((variable, origins));
    }
    let (variable, outer) = resolve_entry(collector, of)?;
    origins.merge(outer);
    Some((variable, origins))
}

/// Records an assignment to a name, an entry or a class attribute.
fn record_assignment(
    collector: &mut VariableCollector<'_>,
    at: TextSize,
    target: &Expr,
    value: Option<&Expr>,
) {
    match target {
        Expr::Tuple(all) => {
            let values = match value {
                Some(Expr::Tuple(values)) if values.elts.len() == all.elts.len() => Some(&values.elts),
                _ => None,
            };
            for (index, each) in all.elts.iter().enumerate() {
                let own = values.and_then(|values| values.get(index));
                record_assignment(collector, at, each, own.or(value));
            }
        }
        Expr::List(all) => all.elts.iter().for_each(|each| record_assignment(collector, at, each, value)),
        Expr::Starred(starred) => record_assignment(collector, at, &starred.value, value),
        Expr::Name(_) | Expr::Attribute(_) => {
            let Some(variable) = assignable_variable(collector, target) else { return };
            let origins = value.map(|value| origins_of_expr(collector, value)).unwrap_or_default();
            let kind = match origins.counted.contains(&variable) {
                true => WriteKind::Count,
                false => WriteKind::Rebind(value.and_then(constant_text)),
            };
            record_write(collector, at, variable, kind, (Origins::default(), origins), false);
        }
        Expr::Subscript(item) => {
            let value = value.map(|value| origins_of_expr(collector, value)).unwrap_or_default();
            if let Some((variable, _)) = resolve_container(collector, &item.value) {
                let key = origins_of_expr(collector, &item.slice);
                let kind = if value.counted.contains(&variable) { WriteKind::Count } else { WriteKind::Item };
                collector.changed.insert(item.value.start());
                record_write(collector, at, variable, kind, (key, value), false);
            } else if let Some((variable, mut key)) = resolve_entry(collector, &item.value) {
                key.merge(origins_of_expr(collector, &item.slice));
                record_write(collector, at, variable, WriteKind::Within, (key, value), false);
            }
        }
        _ => {}
    }
}

/// Records `HITS += 1` and `HITS[user] += 1`.
fn record_augmented_assignment(
    collector: &mut VariableCollector<'_>,
    at: TextSize,
    target: &Expr,
    value: &Expr,
) {
    let value = origins_of_expr(collector, value);
    if let Expr::Subscript(item) = target {
        let key = origins_of_expr(collector, &item.slice);
        if let Some((variable, _)) = resolve_container(collector, &item.value) {
            collector.changed.insert(item.value.start());
            record_write(collector, at, variable, WriteKind::Count, (key, value), false);
        } else if let Some((variable, mut outer)) = resolve_entry(collector, &item.value) {
            outer.merge(key);
            record_write(collector, at, variable, WriteKind::Within, (outer, value), false);
        }
    } else if let Some(variable) = assignable_variable(collector, target) {
        record_write(collector, at, variable, WriteKind::Count, (Origins::default(), value), false);
    }
}

/// Records `del CACHE[key]`, and `del CACHE` after `global CACHE`.
fn record_deletion(collector: &mut VariableCollector<'_>, at: TextSize, target: &Expr) {
    match target {
        Expr::Subscript(item) => {
            let key = origins_of_expr(collector, &item.slice);
            if let Some((variable, _)) = resolve_container(collector, &item.value) {
                collector.changed.insert(item.value.start());
                record_write(collector, at, variable, WriteKind::Remove, (key, Origins::default()), false);
            } else if let Some((variable, outer)) = resolve_entry(collector, &item.value) {
                record_write(collector, at, variable, WriteKind::Within, (outer, Origins::default()), false);
            }
        }
        Expr::Tuple(all) => all.elts.iter().for_each(|each| record_deletion(collector, at, each)),
        _ => {
            if let Some(variable) = assignable_variable(collector, target) {
                record_write(
                    collector,
                    at,
                    variable,
                    WriteKind::Remove,
                    (Origins::default(), Origins::default()),
                    false,
                );
            }
        }
    }
}

/// Records an import or a definition of a function or class after `global` of its name: the same in every
/// interpreter.
fn record_definition(collector: &mut VariableCollector<'_>, at: TextSize, name: &str) {
    if collector.assigns_global(name) {
        let made = (Origins::default(), Origins::default());
        record_write(collector, at, name.to_owned(), WriteKind::Rebind(None), made, false);
    }
}

/// Returns the module-level variable that a target assigns: a name declared `global`, or a class attribute.
fn assignable_variable(collector: &VariableCollector<'_>, target: &Expr) -> Option<String> {
    match target {
        Expr::Name(_) => {
            let name = *target_names(target).first()?;
            collector.assigns_global(name).then(|| name.to_owned())
        }
        // An attribute of `self` belongs to the object, even if the class has one of the same name.
        Expr::Attribute(attribute) => match &*attribute.value {
            Expr::Name(name) if name.id.as_str() == "self" => None,
            _ => collector.resolve_variable(target),
        },
        _ => None,
    }
}

fn record_write(
    collector: &mut VariableCollector<'_>,
    at: TextSize,
    variable: String,
    kind: WriteKind,
    (key, value): (Origins, Origins),
    is_tested: bool,
) {
    let write = VariableWrite {
        at,
        function: collector.enclosing_function(),
        kind,
        is_tested: is_tested || collector.is_tested(&variable),
        context: collector.write_context(&[&key, &value]),
        key,
        value,
    };
    collector.accesses.entry(variable).or_default().writes.push(write);
}
