//! Joins the reports of an environment and of a free-threaded environment with the same distributions, by the
//! names of distributions and modules. Files are never compared: each build has its own.

use std::collections::BTreeMap;

use super::blockers::find_blockers;
use super::{DistributionRow, ModuleRow, NameRow, OtherBuild, Report};
use crate::model::{Judgement, Mode, ReasonId, RootCause, Trial, Verdict};

/// The modes taken from the free-threaded report.
const FREE_THREADED_MODES: [Mode; 2] = [Mode::FreeThreaded, Mode::FreeThreadedGroup];

/// Adds the results of the free-threaded report to the first one. `absent` has the judgements of
/// distributions that the free-threaded environment lacks, by normalized name.
pub fn join_free_threaded(
    mut report: Report,
    mut second: Report,
    absent: &BTreeMap<String, Judgement>,
) -> Report {
    let mut versions = Vec::new();
    for row in &mut report.distributions {
        match take_matching(&mut second.distributions, |other| is_same_name(&other.name, &row.name)) {
            Some(other) => {
                if other.version != row.version {
                    let name = row.name.as_deref().unwrap_or_default();
                    versions.push(format!("{name} {}, here {}", other.version, row.version));
                }
                join_distribution(row, other);
            }
            None => judge_absent_distribution(row, absent),
        }
    }
    for row in &mut report.modules {
        match take_matching(&mut second.modules, |other| other.name == row.name && other.kind == row.kind) {
            Some(other) => join_module(row, other),
            None => {
                let owner = report.distributions.iter().find(|each| each.name == row.distribution);
                judge_absent_module(row, owner);
            }
        }
    }
    let known = |row: &ModuleRow| report.distributions.iter().any(|each| each.name == row.distribution);
    report.modules.extend(second.modules.into_iter().filter(known).map(keep_free_threaded));
    report.modules.sort_by(|a, b| a.file.cmp(&b.file));
    for mode in FREE_THREADED_MODES {
        let blockers = find_blockers(mode, &report.distributions, &report.modules);
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

/// Normalizes the name of a distribution, as package indexes do (PEP 503).
pub fn normalize_name(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

fn is_same_name(a: &Option<String>, b: &Option<String>) -> bool {
    a.as_deref().map(normalize_name) == b.as_deref().map(normalize_name)
}

fn take_matching<T>(all: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    all.iter().position(is_it).map(|index| all.remove(index))
}

fn join_distribution(row: &mut DistributionRow, other: DistributionRow) {
    let has_lost_all = row.modules > 0 && other.modules == 0;
    for (mode, judgement) in only_free_threaded(other.judgements) {
        let judgement = match judgement.verdict {
            Verdict::Ready if has_lost_all => Judgement::from_evidence(
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
        if let Some(other) = take_matching(&mut others, |other| other.name == name.name) {
            join_name(&mut name.judgements, &mut name.trials, other);
        }
    }
}

fn join_name(judgements: &mut BTreeMap<Mode, Judgement>, trials: &mut BTreeMap<Mode, Trial>, other: NameRow) {
    judgements.extend(only_free_threaded(other.judgements));
    trials.extend(only_free_threaded(other.trials));
}

fn only_free_threaded<T>(all: BTreeMap<Mode, T>) -> impl Iterator<Item = (Mode, T)> {
    all.into_iter().filter(|(mode, _)| FREE_THREADED_MODES.contains(mode))
}

fn judge_absent_distribution(row: &mut DistributionRow, absent: &BTreeMap<String, Judgement>) {
    let known = row.name.as_deref().and_then(|name| absent.get(&normalize_name(name)));
    let judgement = match known {
        Some(judgement) => judgement.clone(),
        None => Judgement::from_reason_id(
            ReasonId::NotInFreeThreadedEnvironment,
            "is not in the free-threaded environment",
        ),
    };
    for mode in FREE_THREADED_MODES {
        row.judgements.insert(mode, judgement.clone());
        for name in &mut row.top_level {
            let module = name.name.clone();
            let cause = RootCause {
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

fn join_module(row: &mut ModuleRow, other: ModuleRow) {
    row.judgements.extend(only_free_threaded(other.judgements));
    row.trials.extend(only_free_threaded(other.trials));
    row.findings.extend(other.findings.into_iter().filter(|finding| finding.rule == "declare-gil"));
    row.other_build = Some(OtherBuild { file: other.file, facts: other.facts });
}

/// Judges a module that the free-threaded environment lacks: by its distribution, if that is absent as a
/// whole.
fn judge_absent_module(row: &mut ModuleRow, owner: Option<&DistributionRow>) {
    for mode in FREE_THREADED_MODES {
        let whole = owner.filter(|owner| owner.top_level.iter().all(|name| !name.trials.contains_key(&mode)));
        let judgement = whole.and_then(|owner| owner.judgements.get(&mode)).cloned();
        row.judgements.insert(
            mode,
            judgement.unwrap_or_else(|| {
                Judgement::from_reason_id(
                    ReasonId::NotOnFreeThreadedBuild,
                    "is not part of its distribution on the free-threaded build",
                )
            }),
        );
    }
}

/// Keeps the free-threaded results of a module that only the free-threaded environment has.
fn keep_free_threaded(row: ModuleRow) -> ModuleRow {
    ModuleRow {
        judgements: only_free_threaded(row.judgements).collect(),
        trials: only_free_threaded(row.trials).collect(),
        ..row
    }
}
