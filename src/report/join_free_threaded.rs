//! Joins the reports of an environment and of a free-threaded environment with the same distributions, by the
//! names of distributions and modules. Files are never compared: each build has its own.

use std::collections::BTreeMap;

use super::blockers::find_blockers;
use super::rows::{DistributionRow, ModuleRow, NameRow, Report};
use super::v1::Inspected;
use crate::model::{Judgement, Mode, ReasonId, RootCause, RuleId, Trial, Verdict};

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
                rule: RuleId::NoFreeThreadedWheel,
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
    row.findings.extend(other.findings.into_iter().filter(|finding| finding.rule == RuleId::DeclareGil));
    row.other_build = Some(Inspected::new(&other.file, &other.facts));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExtensionFileKind, ModuleFinding, TrialOutcome};
    use crate::report::fixtures::{distribution, in_mode, judged, module, own_gil, report, top_level, trial};

    fn free(verdict: Verdict) -> BTreeMap<Mode, Judgement> {
        FREE_THREADED_MODES.map(|mode| (mode, judged(verdict))).into()
    }

    /// Judged in free-threaded modes and in another one, which is not taken over.
    fn second(verdict: Verdict) -> BTreeMap<Mode, Judgement> {
        free(verdict).into_iter().chain(in_mode(Mode::Main, judged(Verdict::Unsafe))).collect()
    }

    fn finding(rule: RuleId) -> ModuleFinding {
        ModuleFinding { rule, text: String::new(), add: &[] }
    }

    #[test]
    fn names_are_compared_as_indexes_do() {
        for (name, normal) in [("Foo__Bar.baz", "foo-bar-baz"), ("a-.-b", "a-b"), ("_x_", "x")] {
            assert_eq!(normalize_name(name), normal);
        }
        let same =
            |a: Option<&str>, b: Option<&str>| is_same_name(&a.map(str::to_owned), &b.map(str::to_owned));
        assert!(same(Some("A_b"), Some("a-b")) && same(None, None));
        assert!(!same(Some("a"), Some("b")) && !same(Some("a"), None));
    }

    #[test]
    fn the_same_distribution_and_module_get_the_modes_of_the_other_build() {
        let mut first = report();
        let mut row = distribution(Some("My_Dist"), own_gil(judged(Verdict::Ready)));
        row.top_level = ["a", "b"].map(|name| top_level(name, own_gil(judged(Verdict::Ready)))).into();
        first.distributions = vec![row];
        first.modules = ["a.c", "gone.c", "kind.c"]
            .map(|name| module(name, Some("My_Dist"), own_gil(judged(Verdict::Ready))))
            .into();
        let mut there = report();
        let mut row = distribution(Some("my-dist"), second(Verdict::Ready));
        row.version = "2.0".to_owned();
        let imported = |mode| trial(mode, TrialOutcome::Imported);
        row.top_level = vec![top_level("a", second(Verdict::Blocked))];
        row.top_level[0].trials = [Mode::Main, Mode::FreeThreaded].map(|mode| (mode, imported(mode))).into();
        there.distributions = vec![row];
        let mut same = module("a.c", Some("My_Dist"), second(Verdict::Unknown));
        same.file = "a.t.so".to_owned();
        same.findings = vec![finding(RuleId::DeclareGil), finding(RuleId::DeclareSlot)];
        let mut kind = module("kind.c", Some("My_Dist"), second(Verdict::Unknown));
        kind.kind = ExtensionFileKind::OtherAbi;
        let mut new = module("a.new", Some("My_Dist"), second(Verdict::Ready));
        new.trials = [Mode::Main, Mode::FreeThreaded].map(|mode| (mode, imported(mode))).into();
        let alien = module("alien", Some("alien"), second(Verdict::Ready));
        there.modules = vec![same, kind, new, alien];
        there.notes = vec!["slow".to_owned()];
        there.trouble = vec!["a folder".to_owned()];
        let joined = join_free_threaded(first, there, &BTreeMap::new());

        assert_eq!(joined.modes[3..], FREE_THREADED_MODES);
        assert_eq!(joined.blockers.keys().copied().collect::<Vec<_>>(), FREE_THREADED_MODES);
        let notes = [
            "the free-threaded environment has other versions: My_Dist 2.0, here 1.0",
            "free-threaded environment: slow",
        ];
        assert_eq!(
            (joined.notes, joined.trouble),
            (notes.map(str::to_owned).into(), vec!["free-threaded environment: a folder".to_owned()])
        );
        let row = &joined.distributions[0];
        let expected: BTreeMap<_, _> =
            free(Verdict::Ready).into_iter().chain(own_gil(judged(Verdict::Ready))).collect();
        assert_eq!(row.judgements, expected);
        assert_eq!(row.top_level[0].judgements[&Mode::FreeThreaded], judged(Verdict::Blocked));
        assert_eq!(row.top_level[0].trials.keys().collect::<Vec<_>>(), [&Mode::FreeThreaded]);
        assert!(!row.top_level[1].judgements.contains_key(&Mode::FreeThreaded));
        let names: Vec<&str> = joined.modules.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["a.c", "a.new", "gone.c", "kind.c", "kind.c"]);
        let [same, new, gone, ..] = joined.modules.as_slice() else { panic!("{names:?}") };
        assert_eq!(same.other_build.as_ref().unwrap().file, "a.t.so");
        assert_eq!(same.findings, [finding(RuleId::DeclareGil)]);
        assert_eq!(
            (same.judgements.len(), same.judgements[&Mode::FreeThreaded].verdict),
            (3, Verdict::Unknown)
        );
        assert_eq!(new.judgements, free(Verdict::Ready));
        assert_eq!(new.trials.keys().collect::<Vec<_>>(), [&Mode::FreeThreaded]);
        assert_eq!(gone.judgements[&Mode::FreeThreaded].reason_id, Some(ReasonId::NotOnFreeThreadedBuild));
    }

    #[test]
    fn the_same_version_gives_no_note() {
        let one = || {
            let mut one = report();
            one.distributions = vec![distribution(Some("a"), BTreeMap::new())];
            one
        };
        assert_eq!(join_free_threaded(one(), one(), &BTreeMap::new()).notes, Vec::<String>::new());
    }

    #[test]
    fn a_build_without_extension_modules_is_degraded() {
        for (here, there, verdict, expected) in [
            (1, 0, Verdict::Ready, Verdict::Degraded),
            (1, 1, Verdict::Ready, Verdict::Ready),
            (0, 0, Verdict::Ready, Verdict::Ready),
            (1, 0, Verdict::Blocked, Verdict::Blocked),
        ] {
            let of = |modules, judgements| DistributionRow { modules, ..distribution(Some("a"), judgements) };
            let mut row = of(here, BTreeMap::new());
            join_distribution(&mut row, of(there, free(verdict)));
            assert_eq!(row.judgements[&Mode::FreeThreaded].verdict, expected, "{here} {there} {verdict}");
        }
    }

    #[test]
    fn what_the_other_environment_lacks_is_judged_by_why() {
        let blocked = Judgement::from_evidence(Verdict::Blocked, None, "has no wheel");
        let absent = BTreeMap::from([("a-b".to_owned(), blocked.clone())]);
        let mut first = report();
        first.distributions = ["A.b", "other"]
            .map(|name| {
                let mut row = distribution(Some(name), BTreeMap::new());
                row.top_level.push(top_level("name", BTreeMap::new()));
                row
            })
            .into();
        first.modules = vec![module("m", Some("A.b"), BTreeMap::new())];
        let joined = join_free_threaded(first, report(), &absent);
        let row = &joined.distributions[0];
        assert_eq!(row.judgements[&Mode::FreeThreadedGroup], blocked);
        let name = &row.top_level[0].judgements[&Mode::FreeThreaded];
        let cause = name.cause.as_ref().unwrap();
        assert_eq!((cause.module.as_str(), cause.what.as_str()), ("name", "has no wheel"));
        assert_eq!(joined.modules[0].judgements[&Mode::FreeThreaded], blocked);
        let unknown = &joined.distributions[1].top_level[0].judgements[&Mode::FreeThreaded];
        assert_eq!(
            (unknown.reason_id, &unknown.cause),
            (Some(ReasonId::NotInFreeThreadedEnvironment), &None)
        );
    }
}
