//! Hazards grouped by variable, lock or process property, each with all its locations in the file.

use std::collections::BTreeMap;

use ruff_python_ast::Stmt;
use ruff_python_ast::visitor::Visitor;
use ruff_text_size::TextSize;

use super::accesses::{HeldLock, ProcessChange};
use super::classify::classify_variable;
use super::collector::VariableCollector;
use super::external_effects::find_external_effects;
use super::module_scope::ModuleScope;
use crate::app::import_aliases::ImportAliases;
use crate::model::{HazardWeight, RuleId, VariableUse};

/// A hazard of one name in one file, with all its locations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct GroupedHazard {
    pub(in crate::app) rule: RuleId,
    pub(in crate::app) name: String,
    pub(in crate::app) text: String,
    pub(in crate::app) weight: HazardWeight,
    pub(in crate::app) used: Option<VariableUse>,
    /// Locations, each with the enclosing function: the deciding one first, then the others in order.
    pub(in crate::app) places: Vec<(TextSize, String)>,
}

/// Returns the hazards of a file. `is_own`: whether the file is the application's own.
pub(in crate::app) fn find_variable_hazards(
    body: &[Stmt],
    names: &ImportAliases,
    is_own: bool,
) -> Vec<GroupedHazard> {
    let module = ModuleScope::from_body(body, names, is_own);
    let external_effects = find_external_effects(body, names);
    let mut collector = VariableCollector::new(names, &module, &external_effects);
    body.iter().for_each(|stmt| collector.visit_stmt(stmt));
    let mut hazards = variable_hazards(&collector, &module);
    hazards.extend(lock_hazards(&collector, &module));
    hazards.extend(process_hazards(&collector));
    hazards
}

fn variable_hazards(collector: &VariableCollector<'_>, module: &ModuleScope) -> Vec<GroupedHazard> {
    let each = collector.accesses.iter().filter_map(|(name, used)| {
        let (found, why, decides) = classify_variable(name, used, module)?;
        let location = |index: usize| {
            let write = used.writes.get(index)?;
            Some((write.at, write.function.clone()))
        };
        let what = module.containers.get(name).map_or("variable", |kind| kind.as_str());
        let (rule, text) = match found {
            VariableUse::FilledOnce => (RuleId::PerInterpreterCache, format!("{name} ({what}): {why}")),
            VariableUse::State | VariableUse::GuardsOutside | VariableUse::Changed => {
                (RuleId::ProcessWideGlobal, format!("{name} ({what}): {why}: each interpreter has its own"))
            }
        };
        let places =
            order_locations(location(decides)?, (0..used.writes.len()).filter_map(location).collect());
        // A library's settings are for its application to set, so an unclear use in a library weighs little.
        let is_unknown = found == VariableUse::Changed && !module.is_own;
        let weight = if is_unknown { HazardWeight::Low } else { found.weight() };
        Some(GroupedHazard { rule, name: name.clone(), text, weight, used: Some(found), places })
    });
    each.collect()
}

fn lock_hazards(collector: &VariableCollector<'_>, module: &ModuleScope) -> Vec<GroupedHazard> {
    let mut by_lock: BTreeMap<&str, Vec<&HeldLock>> = BTreeMap::new();
    for held in &collector.held_locks {
        by_lock.entry(&held.lock).or_default().push(held);
    }
    let each = by_lock.into_iter().filter_map(|(lock, all)| {
        let first = all.first()?;
        let constructor = module.locks.get(lock)?;
        let text = format!(
            "{lock} ({constructor}): held around {}(): each interpreter has its own, so it does not exclude the others",
            first.called
        );
        let places = all.iter().map(|held| (held.at, held.function.clone())).collect();
        let used = VariableUse::GuardsOutside;
        Some(GroupedHazard {
            rule: RuleId::ProcessWideGlobal,
            name: lock.to_owned(),
            text,
            weight: used.weight(),
            used: Some(used),
            places: order_locations((first.at, first.function.clone()), places),
        })
    });
    each.collect()
}

fn process_hazards(collector: &VariableCollector<'_>) -> Vec<GroupedHazard> {
    let mut by_name: BTreeMap<(RuleId, &str), Vec<&ProcessChange>> = BTreeMap::new();
    for change in &collector.changes {
        by_name.entry((change.rule, &change.name)).or_default().push(change);
    }
    let each = by_name.into_values().filter_map(|all| {
        let worst = all.iter().min_by_key(|change| (change.weight, change.at))?;
        let places = all.iter().map(|change| (change.at, change.function.clone())).collect();
        Some(GroupedHazard {
            rule: worst.rule,
            name: worst.name.clone(),
            text: worst.text.clone(),
            weight: worst.weight,
            used: None,
            places: order_locations((worst.at, worst.function.clone()), places),
        })
    });
    each.collect()
}

/// Returns the first location, then the others in order, without duplicates.
fn order_locations(first: (TextSize, String), mut all: Vec<(TextSize, String)>) -> Vec<(TextSize, String)> {
    all.sort();
    all.dedup();
    all.retain(|location| *location != first);
    all.insert(0, first);
    all
}
