//! A row for each variable, lock and piece of the process, with all its places in the file.

use std::collections::BTreeMap;

use ruff_python_ast::Stmt;
use ruff_python_ast::visitor::Visitor;
use ruff_text_size::TextSize;

use super::collect::Collector;
use super::judge::judge;
use super::level::Level;
use super::locks;
use crate::app::names::Names;
use crate::model::{VariableUse, Weight};

/// What is told of one name in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct Row {
    pub(in crate::app) rule: &'static str,
    pub(in crate::app) name: String,
    pub(in crate::app) text: String,
    pub(in crate::app) weight: Weight,
    pub(in crate::app) used: Option<VariableUse>,
    /// Each with the function around it; the one that decides first, then the others from above.
    pub(in crate::app) places: Vec<(TextSize, String)>,
}

/// The rows of a file; whether it is the application's own.
pub(in crate::app) fn rows(body: &[Stmt], names: &Names, is_own: bool) -> Vec<Row> {
    let level = Level::of(body, names, is_own);
    let outside = locks::outside(body, names);
    let mut collector = Collector::new(names, &level, &outside);
    body.iter().for_each(|stmt| collector.visit_stmt(stmt));
    let mut rows = variables(&collector, &level);
    rows.extend(held(&collector, &level));
    rows.extend(changes(&collector));
    rows
}

fn variables(collector: &Collector<'_>, level: &Level) -> Vec<Row> {
    let each = collector.uses.iter().filter_map(|(name, used)| {
        let (found, why, decides) = judge(name, used, level)?;
        let place = |index: usize| {
            let write = used.writes.get(index)?;
            Some((write.at, write.function.clone()))
        };
        let what = level.containers.get(name).map_or("variable", |kind| kind.as_str());
        let (rule, text) = match found {
            VariableUse::FilledOnce => ("per-interpreter-cache", format!("{name} ({what}): {why}")),
            VariableUse::State | VariableUse::GuardsOutside | VariableUse::Changed => {
                ("process-wide-global", format!("{name} ({what}): {why}: each interpreter has its own"))
            }
        };
        let places = arrange(place(decides)?, (0..used.writes.len()).filter_map(place).collect());
        // A library's settings are its application's to set: what is not known of them is no news.
        let is_unknown = found == VariableUse::Changed && !level.is_own;
        let weight = if is_unknown { Weight::Low } else { found.weight() };
        Some(Row { rule, name: name.clone(), text, weight, used: Some(found), places })
    });
    each.collect()
}

fn held(collector: &Collector<'_>, level: &Level) -> Vec<Row> {
    let mut by_lock: BTreeMap<&str, Vec<&locks::Held>> = BTreeMap::new();
    for held in &collector.held {
        by_lock.entry(&held.lock).or_default().push(held);
    }
    let each = by_lock.into_iter().filter_map(|(lock, all)| {
        let first = all.first()?;
        let made = level.locks.get(lock)?;
        let text = format!(
            "{lock} ({made}): held around {}(): each interpreter has its own, so it keeps nobody else out",
            first.called
        );
        let places = all.iter().map(|held| (held.at, held.function.clone())).collect();
        let used = VariableUse::GuardsOutside;
        Some(Row {
            rule: "process-wide-global",
            name: lock.to_owned(),
            text,
            weight: used.weight(),
            used: Some(used),
            places: arrange((first.at, first.function.clone()), places),
        })
    });
    each.collect()
}

fn changes(collector: &Collector<'_>) -> Vec<Row> {
    let mut by_name: BTreeMap<(&str, &str), Vec<&super::process::Change>> = BTreeMap::new();
    for change in &collector.changes {
        by_name.entry((change.rule, &change.name)).or_default().push(change);
    }
    let each = by_name.into_values().filter_map(|all| {
        let worst = all.iter().min_by_key(|change| (change.weight, change.at))?;
        let places = all.iter().map(|change| (change.at, change.function.clone())).collect();
        Some(Row {
            rule: worst.rule,
            name: worst.name.clone(),
            text: worst.text.clone(),
            weight: worst.weight,
            used: None,
            places: arrange((worst.at, worst.function.clone()), places),
        })
    });
    each.collect()
}

/// The first place, then the others from above, each once.
fn arrange(first: (TextSize, String), mut all: Vec<(TextSize, String)>) -> Vec<(TextSize, String)> {
    all.sort();
    all.dedup();
    all.retain(|place| *place != first);
    all.insert(0, first);
    all
}
