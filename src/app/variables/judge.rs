//! How functions use a variable, from their changes of it. Pure.

use std::collections::BTreeSet;

use super::context::is_definition;
use super::level::{Level, is_weak};
use super::writes::{Kind, Use, Write};
use crate::model::VariableUse;

/// What a variable is used for: the worst that one of its changes tells; why, in words; and which changes tell it, by
/// their index. `None` where no function changes it.
pub(super) fn judge(name: &str, used: &Use, level: &Level) -> Option<(VariableUse, String, usize)> {
    // `__doc__` and `__all__` tell of the module.
    if name.starts_with("__") && name.ends_with("__") {
        return None;
    }
    let is_flag = is_switched(name, used, level);
    let kind = level.containers.get(name).map(String::as_str);
    let each = used.writes.iter().enumerate().map(|(index, write)| {
        let (found, why) = match kind {
            Some(kind) if is_weak(kind) => {
                (VariableUse::FilledOnce, "holds objects of its interpreter".to_owned())
            }
            Some(_) | None => one(name, write, used, level, is_flag),
        };
        (found, why, index)
    });
    each.min_by_key(|(found, _, index)| (*found, *index))
}

/// What one change tells.
fn one(name: &str, write: &Write, used: &Use, level: &Level, is_switched: bool) -> (VariableUse, String) {
    use VariableUse::{Changed, FilledOnce, State};
    let Write { kind, key, value, is_tested, context, .. } = write;
    let given: BTreeSet<&String> = key.given.union(&value.given).collect();
    let is_read = used.reads > 0;
    let request: BTreeSet<&String> = key.request.union(&value.request).collect();
    if let Some(first) = request.first() {
        return match is_read || *kind != Kind::Add {
            true => (State, format!("changes with {first}")),
            false => (Changed, format!("changes with {first}, and is not read here")),
        };
    }
    if context.is_setup {
        return (FilledOnce, "filled when modules are imported or the application is set up".to_owned());
    }
    let held = if value.given.is_empty() { &key.given } else { &value.given };
    let is_of_definition = match level.is_own {
        true => !held.is_empty() && held.iter().all(|name| is_definition(name, true)),
        false => given.iter().any(|name| is_definition(name, false)),
    };
    if is_of_definition && matches!(kind, Kind::Rebind(_) | Kind::Item | Kind::Add | Kind::Within) {
        return (FilledOnce, "holds classes and functions of its interpreter".to_owned());
    }
    let tells = context.warns
        || ["warn", "shown", "reported", "deprecat"].iter().any(|part| name.to_lowercase().contains(part));
    if tells && *is_tested && *kind != Kind::Count {
        return (FilledOnce, "remembers what was said already".to_owned());
    }
    let is_of_threads = ["greenlet", "thread"].iter().any(|part| name.to_lowercase().contains(part));
    if (key.is_object || is_of_threads && !level.is_own) && !matches!(kind, Kind::Rebind(_)) {
        return (FilledOnce, "keyed by objects of its interpreter".to_owned());
    }
    if !level.is_own && context.makes_object && matches!(kind, Kind::Rebind(_) | Kind::Item | Kind::Add) {
        return (FilledOnce, "holds objects of its interpreter".to_owned());
    }
    // What a library offers to set is set by its application, in each interpreter that imports it.
    if !level.is_own && context.is_setting {
        return (FilledOnce, "a setting".to_owned());
    }
    if !level.is_own && *kind == Kind::Count && key.given.is_empty() && is_number(name) {
        return (FilledOnce, "numbers what its interpreter makes".to_owned());
    }
    let is_cache = is_cache(name, level);
    match kind {
        Kind::Rebind(_) if value.fetched.contains(name) => (FilledOnce, "put back".to_owned()),
        Kind::Count if context.makes_object && key.given.is_empty() => {
            (FilledOnce, "numbers objects of its interpreter".to_owned())
        }
        Kind::Item if context.makes_object && *is_tested => {
            (FilledOnce, "remembers objects of its interpreter".to_owned())
        }
        Kind::Item | Kind::Add if context.makes_object && !given.is_empty() && !is_cache => {
            (Changed, format!("changed when an object is made ({})", list(&given)))
        }
        Kind::Rebind(_) | Kind::Item | Kind::Add | Kind::Within | Kind::Count if is_cache => {
            (FilledOnce, "is named a cache: what is not there is computed".to_owned())
        }
        Kind::Item | Kind::Add | Kind::Remove if is_undone(write, used) => {
            (FilledOnce, "used within one call, which removes what it has put there".to_owned())
        }
        Kind::Count => (State, "counts on from call to call".to_owned()),
        Kind::Rebind(_) if is_switched => (Changed, "switched by functions".to_owned()),
        Kind::Rebind(_) if value.is_momentary => {
            (Changed, "computed from the time or at random: differs in each interpreter".to_owned())
        }
        Kind::Rebind(_) if value.given.is_empty() || *is_tested => {
            (FilledOnce, "made by the first call".to_owned())
        }
        Kind::Rebind(_) => (Changed, format!("set to what a call is given ({})", list(&given))),
        Kind::Item if given.is_empty() && value.is_momentary => {
            (Changed, "computed from the time or at random: differs in each interpreter".to_owned())
        }
        Kind::Item if given.is_empty() => (FilledOnce, "filled by the first call".to_owned()),
        Kind::Item if is_memo(name, write, level.is_own) => {
            (FilledOnce, "remembers what is computed from the key".to_owned())
        }
        Kind::Item if *is_tested && value.given.is_empty() && !value.is_fresh => {
            (Changed, format!("remembers what calls were given ({})", list(&given)))
        }
        Kind::Add if given.is_empty() && *is_tested => (FilledOnce, "filled by the first call".to_owned()),
        Kind::Add if given.is_empty() => (Changed, "gets one entry more with each call".to_owned()),
        Kind::Item | Kind::Add | Kind::Within if is_read && !given.is_empty() => {
            (State, format!("keeps what calls are given ({})", list(&given)))
        }
        Kind::Within if given.is_empty() => (Changed, "its entries are changed by functions".to_owned()),
        Kind::Item | Kind::Add | Kind::Within => {
            (Changed, format!("keeps what calls are given ({}), and is not read here", list(&given)))
        }
        Kind::Remove
            if !key.given.is_empty() && !fills_too(write, used) && keeps_results(name, used, level) =>
        {
            (Changed, format!("loses entries by what a call is given ({}): others keep theirs", list(&given)))
        }
        Kind::Remove => (FilledOnce, "emptied".to_owned()),
    }
}

/// Whether a variable is a cache by its name or its kind: code that uses it expects that an entry is missing.
fn is_cache(name: &str, level: &Level) -> bool {
    let kind = level.containers.get(name).map(String::as_str).unwrap_or_default();
    let name = name.to_lowercase();
    let is_memo = |part: &str| ["memo", "memos", "memoized", "memoised"].contains(&part);
    kind.ends_with("Cache") || name.contains("cache") || name.split(['_', '.']).any(is_memo)
}

/// Whether a variable numbers things, as far as its name tells: `_next_id`, `creation_counter`.
fn is_number(name: &str) -> bool {
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

/// Whether an entry is computed from its key where it is not there yet: another interpreter computes the same.
fn is_memo(name: &str, write: &Write, is_own: bool) -> bool {
    let Write { key, value, is_tested, .. } = write;
    // What was looked up there before, and is computed where nothing was found.
    let is_looked_up = value.fetched.contains(name) || value.variables.contains(name);
    let is_made_of_key = !value.given.is_empty() || key.given.is_empty() || is_looked_up;
    // An application's empty entries are filled by its requests.
    let is_fresh = value.is_fresh && (is_own || !is_looked_up);
    *is_tested && is_made_of_key && !value.is_momentary && !is_fresh
}

/// Whether what is kept is computed and may become stale: taking an entry away is meant for everybody.
fn keeps_results(name: &str, used: &Use, level: &Level) -> bool {
    let is_filled = |write: &Write| write.kind == Kind::Item && is_memo(name, write, level.is_own);
    is_cache(name, level) || used.writes.iter().any(|write| is_filled(write) && !write.context.is_setup)
}

/// Whether the function that removes an entry makes entries too: a cache of limited size.
fn fills_too(write: &Write, used: &Use) -> bool {
    used.writes.iter().any(|other| other.kind != Kind::Remove && other.function == write.function)
}

/// Whether a function puts an entry there and removes it again, by the same key.
fn is_undone(write: &Write, used: &Use) -> bool {
    let is_removal = write.kind == Kind::Remove;
    let of_function = used.writes.iter().filter(|other| other.function == write.function);
    let mut opposite = of_function.filter(|other| (other.kind == Kind::Remove) != is_removal);
    !write.is_tested && opposite.any(|other| other.key == write.key && !other.key.given.is_empty())
}

/// Whether functions switch a variable between constants: one sets it, another sets it back, and neither looks at it
/// first.
fn is_switched(name: &str, used: &Use, level: &Level) -> bool {
    let constants = used.writes.iter().filter_map(|write| {
        let Kind::Rebind(Some(constant)) = &write.kind else { return None };
        (!write.is_tested && !write.context.is_setup).then_some((constant, &write.function))
    });
    let constants: BTreeSet<_> = constants.collect();
    let first = level.constants.get(name);
    let others = constants.iter().filter(|(constant, _)| Some(*constant) != first && *constant != "None");
    let values: BTreeSet<&&String> = constants.iter().map(|(constant, _)| constant).collect();
    others.count() > 0 && values.len() > 1
}

fn list(names: &BTreeSet<&String>) -> String {
    let most: Vec<&str> = names.iter().take(3).map(|name| name.as_str()).collect();
    most.join(", ")
}
