//! Two builds of Python, one report: what a free-threaded environment shows is put beside what the environment
//! itself shows, by the names of distributions and modules. Files are never compared: each build has its own.

use std::collections::BTreeMap;

use super::blockers::blockers;
use super::{DistributionRow, ModuleRow, NameRow, OtherBuild, Report};
use crate::model::{Cause, Judgement, Mode, ReasonId, Trial, Verdict};

/// The modes that the second report is asked for.
const MODES: [Mode; 2] = [Mode::FreeThreaded, Mode::FreeThreadedGroup];

/// Adds the second report's answers to the first. `absent` has the judgement of distributions that the second
/// environment lacks, by normalised name.
pub fn join(mut report: Report, mut second: Report, absent: &BTreeMap<String, Judgement>) -> Report {
    let mut versions = Vec::new();
    for row in &mut report.distributions {
        match take(&mut second.distributions, |other| same_name(&other.name, &row.name)) {
            Some(other) => {
                if other.version != row.version {
                    let name = row.name.as_deref().unwrap_or_default();
                    versions.push(format!("{name} {}, here {}", other.version, row.version));
                }
                distribution(row, other);
            }
            None => absent_distribution(row, absent),
        }
    }
    for row in &mut report.modules {
        match take(&mut second.modules, |other| other.name == row.name && other.kind == row.kind) {
            Some(other) => module(row, other),
            None => {
                let owner = report.distributions.iter().find(|each| each.name == row.distribution);
                absent_module(row, owner);
            }
        }
    }
    let known = |row: &ModuleRow| report.distributions.iter().any(|each| each.name == row.distribution);
    report.modules.extend(second.modules.into_iter().filter(known).map(only_there));
    report.modules.sort_by(|a, b| a.file.cmp(&b.file));
    for mode in MODES {
        let blockers = blockers(mode, &report.distributions, &report.modules);
        report.blockers.insert(mode, blockers);
        report.modes.push(mode);
    }
    if !versions.is_empty() {
        report
            .notes
            .push(format!("the free-threaded environment has other versions: {}", versions.join("; ")));
    }
    let from_there = |sentence: &String| format!("free-threaded environment: {sentence}");
    report.notes.extend(second.notes.iter().map(from_there));
    report.trouble.extend(second.trouble.iter().map(from_there));
    report.free_threaded = second.python;
    report
}

/// The name of a distribution as indexes compare them (PEP 503).
pub fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

fn same_name(a: &Option<String>, b: &Option<String>) -> bool {
    a.as_deref().map(normalised) == b.as_deref().map(normalised)
}

fn take<T>(all: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    all.iter().position(is_it).map(|index| all.remove(index))
}

fn distribution(row: &mut DistributionRow, other: DistributionRow) {
    let has_lost_all = row.modules > 0 && other.modules == 0;
    for (mode, judgement) in of_modes(other.judgements) {
        let judgement = match judgement.verdict {
            Verdict::Ready if has_lost_all => Judgement::found(
                Verdict::Degraded,
                None,
                "what is installed for the free-threaded build has no extension modules",
            ),
            Verdict::Ready
            | Verdict::Unsafe
            | Verdict::Blocked
            | Verdict::Unknown
            | Verdict::Degraded
            | Verdict::NotApplicable => judgement,
        };
        row.judgements.insert(mode, judgement);
    }
    let mut others = other.top_level;
    for name in &mut row.top_level {
        if let Some(other) = take(&mut others, |other| other.name == name.name) {
            add(&mut name.judgements, &mut name.trials, other);
        }
    }
}

fn add(judgements: &mut BTreeMap<Mode, Judgement>, trials: &mut BTreeMap<Mode, Trial>, other: NameRow) {
    judgements.extend(of_modes(other.judgements));
    trials.extend(of_modes(other.trials));
}

fn of_modes<T>(all: BTreeMap<Mode, T>) -> impl Iterator<Item = (Mode, T)> {
    all.into_iter().filter(|(mode, _)| MODES.contains(mode))
}

fn absent_distribution(row: &mut DistributionRow, absent: &BTreeMap<String, Judgement>) {
    let known = row.name.as_deref().and_then(|name| absent.get(&normalised(name)));
    let judgement = match known {
        Some(judgement) => judgement.clone(),
        None => {
            Judgement::open(ReasonId::NotInFreeThreadedEnvironment, "is not in the free-threaded environment")
        }
    };
    for mode in MODES {
        row.judgements.insert(mode, judgement.clone());
        for name in &mut row.top_level {
            let module = name.name.clone();
            let cause = Cause {
                rule: "no-free-threaded-wheel",
                chain: vec![module.clone()],
                module,
                what: judgement.reason.clone(),
            };
            let cause = (judgement.verdict == Verdict::Blocked).then_some(cause);
            name.judgements.insert(mode, Judgement { cause, ..judgement.clone() });
        }
    }
}

fn module(row: &mut ModuleRow, other: ModuleRow) {
    row.judgements.extend(of_modes(other.judgements));
    row.trials.extend(of_modes(other.trials));
    row.findings.extend(other.findings.into_iter().filter(|finding| finding.rule == "declare-gil"));
    row.other_build = Some(OtherBuild { file: other.file, facts: other.facts });
}

/// A module that the free-threaded environment does not have: its distribution's absence, if that is it.
fn absent_module(row: &mut ModuleRow, owner: Option<&DistributionRow>) {
    for mode in MODES {
        let whole = owner.filter(|owner| owner.top_level.iter().all(|name| !name.trials.contains_key(&mode)));
        let judgement = whole.and_then(|owner| owner.judgements.get(&mode)).cloned();
        row.judgements.insert(
            mode,
            judgement.unwrap_or_else(|| {
                Judgement::open(
                    ReasonId::NotOnFreeThreadedBuild,
                    "is not part of it on the free-threaded build",
                )
            }),
        );
    }
}

/// A module that only the free-threaded environment has.
fn only_there(row: ModuleRow) -> ModuleRow {
    ModuleRow {
        judgements: of_modes(row.judgements).collect(),
        trials: of_modes(row.trials).collect(),
        ..row
    }
}
