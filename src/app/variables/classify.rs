//! Classifies how functions use a module-level variable, from their writes to it. No I/O.

use std::collections::BTreeSet;

use super::accesses::{VariableAccesses, VariableWrite, WriteKind};
use super::module_scope::{ModuleScope, is_weak_container};
use super::write_context::is_definition_parameter;
use crate::model::VariableUse;

/// Returns the use of a variable, the worst that one of its writes shows; the reason; and the index of that
/// write. `None` if no function writes it.
pub(super) fn classify_variable(
    name: &str,
    used: &VariableAccesses,
    module: &ModuleScope,
) -> Option<(VariableUse, String, usize)> {
    // `__doc__` and `__all__` describe the module.
    if name.starts_with("__") && name.ends_with("__") {
        return None;
    }
    let is_flag = is_switched(name, used, module);
    let kind = module.containers.get(name).map(String::as_str);
    let each = used.writes.iter().enumerate().map(|(index, write)| {
        let (found, why) = match kind {
            Some(kind) if is_weak_container(kind) => {
                (VariableUse::FilledOnce, "holds objects of its interpreter".to_owned())
            }
            Some(_) | None => classify_write(name, write, used, module, is_flag),
        };
        (found, why, index)
    });
    each.min_by_key(|(found, _, index)| (*found, *index))
}

/// Returns the use that one write shows, and the reason.
fn classify_write(
    name: &str,
    write: &VariableWrite,
    used: &VariableAccesses,
    module: &ModuleScope,
    is_switched: bool,
) -> (VariableUse, String) {
    use VariableUse::{Changed, FilledOnce, State};
    let VariableWrite { kind, key, value, is_tested, context, .. } = write;
    let given: BTreeSet<&String> = key.given.union(&value.given).collect();
    let is_read = used.reads > 0;
    let request: BTreeSet<&String> = key.request.union(&value.request).collect();
    if let Some(first) = request.first() {
        return match is_read || *kind != WriteKind::Add {
            true => (State, format!("changes with {first}")),
            false => (Changed, format!("changes with {first}, and is not read here")),
        };
    }
    if context.is_setup {
        return (FilledOnce, "filled when modules are imported or the application is set up".to_owned());
    }
    let held = if value.given.is_empty() { &key.given } else { &value.given };
    let is_of_definition = match module.is_own {
        true => !held.is_empty() && held.iter().all(|name| is_definition_parameter(name, true)),
        false => given.iter().any(|name| is_definition_parameter(name, false)),
    };
    if is_of_definition
        && matches!(kind, WriteKind::Rebind(_) | WriteKind::Item | WriteKind::Add | WriteKind::Within)
    {
        return (FilledOnce, "holds classes and functions of its interpreter".to_owned());
    }
    let tells = context.warns
        || ["warn", "shown", "reported", "deprecat"].iter().any(|part| name.to_lowercase().contains(part));
    if tells && *is_tested && *kind != WriteKind::Count {
        return (FilledOnce, "remembers which warnings were issued".to_owned());
    }
    let is_of_threads = ["greenlet", "thread"].iter().any(|part| name.to_lowercase().contains(part));
    if (key.is_object || is_of_threads && !module.is_own) && !matches!(kind, WriteKind::Rebind(_)) {
        return (FilledOnce, "keyed by objects of its interpreter".to_owned());
    }
    if !module.is_own
        && context.makes_object
        && matches!(kind, WriteKind::Rebind(_) | WriteKind::Item | WriteKind::Add)
    {
        return (FilledOnce, "holds objects of its interpreter".to_owned());
    }
    // The application sets a library's settings in each interpreter that imports it.
    if !module.is_own && context.is_setting {
        return (FilledOnce, "a setting".to_owned());
    }
    if !module.is_own && *kind == WriteKind::Count && key.given.is_empty() && is_counter_name(name) {
        return (FilledOnce, "numbers objects of its interpreter".to_owned());
    }
    let is_cache = is_cache(name, module);
    match kind {
        WriteKind::Rebind(_) if value.fetched.contains(name) => {
            (FilledOnce, "restored to its earlier value".to_owned())
        }
        WriteKind::Count if context.makes_object && key.given.is_empty() => {
            (FilledOnce, "numbers objects of its interpreter".to_owned())
        }
        WriteKind::Item if context.makes_object && *is_tested => {
            (FilledOnce, "remembers objects of its interpreter".to_owned())
        }
        WriteKind::Item | WriteKind::Add if context.makes_object && !given.is_empty() && !is_cache => {
            (Changed, format!("changed when an object is constructed ({})", join_names(&given)))
        }
        WriteKind::Rebind(_) | WriteKind::Item | WriteKind::Add | WriteKind::Within | WriteKind::Count
            if is_cache =>
        {
            (FilledOnce, "is a cache by its name or kind: missing entries are computed".to_owned())
        }
        WriteKind::Item | WriteKind::Add | WriteKind::Remove if is_temporary_entry(write, used) => {
            (FilledOnce, "used within one call, which removes the entries it adds".to_owned())
        }
        WriteKind::Count => (State, "counts up from call to call".to_owned()),
        WriteKind::Rebind(_) if is_switched => {
            (Changed, "switched between constants by functions".to_owned())
        }
        WriteKind::Rebind(_) if value.is_momentary => {
            (Changed, "computed from the time or at random: differs in each interpreter".to_owned())
        }
        WriteKind::Rebind(_) if value.given.is_empty() || *is_tested => {
            (FilledOnce, "set by the first call".to_owned())
        }
        WriteKind::Rebind(_) => (Changed, format!("set from call arguments ({})", join_names(&given))),
        WriteKind::Item if given.is_empty() && value.is_momentary => {
            (Changed, "computed from the time or at random: differs in each interpreter".to_owned())
        }
        WriteKind::Item if given.is_empty() => (FilledOnce, "filled by the first call".to_owned()),
        WriteKind::Item if is_memo(name, write, module.is_own) => {
            (FilledOnce, "caches what is computed from the key".to_owned())
        }
        WriteKind::Item if *is_tested && value.given.is_empty() && !value.is_fresh => {
            (Changed, format!("remembers call arguments ({})", join_names(&given)))
        }
        WriteKind::Add if given.is_empty() && *is_tested => {
            (FilledOnce, "filled by the first call".to_owned())
        }
        WriteKind::Add if given.is_empty() => (Changed, "gets one entry more with each call".to_owned()),
        WriteKind::Item | WriteKind::Add | WriteKind::Within if is_read && !given.is_empty() => {
            (State, format!("stores call arguments ({})", join_names(&given)))
        }
        WriteKind::Within if given.is_empty() => (Changed, "its entries are changed by functions".to_owned()),
        WriteKind::Item | WriteKind::Add | WriteKind::Within => {
            (Changed, format!("stores call arguments ({}), and is not read here", join_names(&given)))
        }
        WriteKind::Remove
            if !key.given.is_empty()
                && !also_adds_entries(write, used)
                && keeps_results(name, used, module) =>
        {
            (
                Changed,
                format!(
                    "calls remove entries by their arguments ({}): other interpreters keep theirs",
                    join_names(&given)
                ),
            )
        }
        WriteKind::Remove => (FilledOnce, "functions remove entries".to_owned()),
    }
}

/// Whether a variable is a cache by its name or kind: the code that uses it handles missing entries.
fn is_cache(name: &str, module: &ModuleScope) -> bool {
    let kind = module.containers.get(name).map(String::as_str).unwrap_or_default();
    let name = name.to_lowercase();
    let is_memo = |part: &str| ["memo", "memos", "memoized", "memoised"].contains(&part);
    kind.ends_with("Cache") || name.contains("cache") || name.split(['_', '.']).any(is_memo)
}

/// Whether the name of a variable suggests a counter for ids: `_next_id`, `creation_counter`.
fn is_counter_name(name: &str) -> bool {
    let words = [
        "id",
        "ids",
        "uid",
        "temp",
        "memory",
        "num",
        "number",
        "next",
        "serial",
        "seq",
        "creation",
        "order",
        "prefix",
        "generation",
        "index",
    ];
    name.to_lowercase().split(['_', '.']).any(|word| words.contains(&word))
}

/// Whether an entry is computed from its key when it is missing: another interpreter computes the same.
fn is_memo(name: &str, write: &VariableWrite, is_own: bool) -> bool {
    let VariableWrite { key, value, is_tested, .. } = write;
    // Looked up in the variable first, and computed if not found.
    let is_looked_up = value.fetched.contains(name) || value.variables.contains(name);
    let is_made_of_key = !value.given.is_empty() || key.given.is_empty() || is_looked_up;
    // In an application, requests fill an entry that starts empty.
    let is_fresh = value.is_fresh && (is_own || !is_looked_up);
    *is_tested && is_made_of_key && !value.is_momentary && !is_fresh
}

/// Whether the entries are cached results, which may become stale: removing one should reach all
/// interpreters.
fn keeps_results(name: &str, used: &VariableAccesses, module: &ModuleScope) -> bool {
    let is_filled =
        |write: &VariableWrite| write.kind == WriteKind::Item && is_memo(name, write, module.is_own);
    is_cache(name, module) || used.writes.iter().any(|write| is_filled(write) && !write.context.is_setup)
}

/// Whether the function that removes an entry also adds some: a cache of limited size.
fn also_adds_entries(write: &VariableWrite, used: &VariableAccesses) -> bool {
    used.writes.iter().any(|other| other.kind != WriteKind::Remove && other.function == write.function)
}

/// Whether the function that adds or removes an entry also does the opposite, by the same key.
fn is_temporary_entry(write: &VariableWrite, used: &VariableAccesses) -> bool {
    let is_removal = write.kind == WriteKind::Remove;
    let of_function = used.writes.iter().filter(|other| other.function == write.function);
    let mut opposite = of_function.filter(|other| (other.kind == WriteKind::Remove) != is_removal);
    !write.is_tested && opposite.any(|other| other.key == write.key && !other.key.given.is_empty())
}

/// Whether functions switch a variable between constants: one sets it and another sets it back, neither
/// testing it first.
fn is_switched(name: &str, used: &VariableAccesses, module: &ModuleScope) -> bool {
    let constants = used.writes.iter().filter_map(|write| {
        let WriteKind::Rebind(Some(constant)) = &write.kind else { return None };
        (!write.is_tested && !write.context.is_setup).then_some((constant, &write.function))
    });
    let constants: BTreeSet<_> = constants.collect();
    let first = module.constants.get(name);
    let others = constants.iter().filter(|(constant, _)| Some(*constant) != first && *constant != "None");
    let values: BTreeSet<&&String> = constants.iter().map(|(constant, _)| constant).collect();
    others.count() > 0 && values.len() > 1
}

fn join_names(names: &BTreeSet<&String>) -> String {
    let most: Vec<&str> = names.iter().take(3).map(|name| name.as_str()).collect();
    most.join(", ")
}
