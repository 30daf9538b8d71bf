//! Compares two report documents.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Comparison, Direction, ModeComparison, SubjectChange, VerdictChange, root_causes, worse_modules,
};
use crate::model::{Mode, Verdict};
use crate::report::v1::{Document, Judged, Tool, Tried};
use crate::report::{DecidedBy, normalize_name};

/// Compares an earlier report with a later one.
pub fn compare_reports(old: &Document, new: &Document) -> Comparison {
    let both: BTreeSet<Mode> = audited_modes(new).filter(|mode| old.modes.contains(mode)).collect();
    let worse_modules = worse_modules::find_worse_modules(old, new);
    let distributions =
        find_changes(&collect_distributions(old), &collect_distributions(new), |key, mode, from, to| {
            let modules = worse_modules.get(&(key.clone(), mode)).cloned().unwrap_or_default();
            both.contains(&mode).then(|| compare_verdicts(from, to, modules)).flatten()
        });
    let plainly = |_: &Option<String>, mode, from: Option<&Judged>, to: Option<&Judged>| {
        both.contains(&mode).then(|| compare_verdicts(from, to, Vec::new())).flatten()
    };
    let applications = find_changes(&collect_applications(old), &collect_applications(new), plainly);
    let exercises = find_changes(&collect_exercises(old), &collect_exercises(new), plainly);
    let modules = find_changes(&collect_modules(old), &collect_modules(new), plainly);
    Comparison {
        schema: 1,
        tool: Tool::this_program(),
        old: old.environment.clone(),
        new: new.environment.clone(),
        modes: audited_modes(new).map(|mode| (mode, compare_mode(old, new, mode, &distributions))).collect(),
        applications,
        exercises,
        modules,
        distributions,
        new_roots: root_causes::root_causes_only_in(new, old, &both),
        gone_roots: root_causes::root_causes_only_in(old, new, &both),
        new_trouble: new.trouble.iter().filter(|each| !old.trouble.contains(each)).cloned().collect(),
    }
}

/// A distribution, application, exercise or module, with its verdict in each mode.
#[derive(Default)]
struct ComparedSubject<'a> {
    name: Option<&'a str>,
    versions: Vec<&'a str>,
    modes: BTreeMap<Mode, &'a Judged>,
}

impl<'a> ComparedSubject<'a> {
    /// Adds a verdict; of several for the same mode the worst counts.
    fn add_verdict(&mut self, mode: Mode, judged: &'a Judged) {
        let worst = self.modes.entry(mode).or_insert(judged);
        if judged.verdict < worst.verdict {
            *worst = judged;
        }
    }
}

/// By normalized name; `None` stands for modules that no distribution owns.
type ComparedSubjects<'a> = BTreeMap<Option<String>, ComparedSubject<'a>>;

fn collect_distributions(document: &Document) -> ComparedSubjects<'_> {
    let mut all = ComparedSubjects::new();
    for row in &document.distributions {
        let subject = all.entry(row.name.as_deref().map(normalize_name)).or_default();
        subject.name = row.name.as_deref();
        subject.versions.push(&row.version);
        row.modes.iter().for_each(|(mode, judged)| subject.add_verdict(*mode, judged));
    }
    all
}

fn collect_applications(document: &Document) -> ComparedSubjects<'_> {
    collect_subjects(
        document.applications.iter().map(|each| (each.name.as_str(), &each.modes)),
        normalize_name,
    )
}

fn collect_exercises(document: &Document) -> ComparedSubjects<'_> {
    collect_subjects(document.exercises.iter().map(|each| (each.file.as_str(), &each.modes)), normalize_name)
}

/// Returns the modules of a report that is about modules. In other reports the change of a distribution lists
/// its modules that got worse.
fn collect_modules(document: &Document) -> ComparedSubjects<'_> {
    let modules = document.modules.iter().filter(|_| document.decided_by() == DecidedBy::Modules);
    // Module names are not normalized: `_speedups` and `speedups` differ.
    collect_subjects(modules.map(|each| (each.name.as_str(), &each.modes)), str::to_owned)
}

fn collect_subjects<'a>(
    rows: impl Iterator<Item = (&'a str, &'a BTreeMap<Mode, Tried>)>,
    key: impl Fn(&str) -> String,
) -> ComparedSubjects<'a> {
    let mut all = ComparedSubjects::new();
    for (name, modes) in rows {
        let subject = all.entry(Some(key(name))).or_default();
        subject.name = Some(name);
        modes.iter().for_each(|(mode, tried)| subject.add_verdict(*mode, &tried.judged));
    }
    all
}

fn find_changes<'a>(
    before: &ComparedSubjects<'a>,
    now: &ComparedSubjects<'a>,
    step: impl Fn(&Option<String>, Mode, Option<&Judged>, Option<&Judged>) -> Option<VerdictChange>,
) -> Vec<SubjectChange> {
    let keys: BTreeSet<&Option<String>> = before.keys().chain(now.keys()).collect();
    let mut changes = Vec::new();
    for key in keys {
        let (from, to) = (before.get(key), now.get(key));
        let judged = |subject: Option<&ComparedSubject<'a>>, mode| {
            subject.and_then(|each| each.modes.get(&mode).copied())
        };
        let steps = Mode::ALL
            .into_iter()
            .filter_map(|mode| Some((mode, step(key, mode, judged(from, mode), judged(to, mode))?)));
        let change = SubjectChange {
            name: to.or(from).and_then(|subject| subject.name).map(str::to_owned),
            from: from.map(|subject| subject.versions.join(", ")),
            to: to.map(|subject| subject.versions.join(", ")),
            modes: steps.collect(),
        };
        if change.from != change.to || !change.modes.is_empty() {
            changes.push(change);
        }
    }
    changes
}

/// Returns the change from one verdict to another; `None` if nothing changed.
fn compare_verdicts(
    from: Option<&Judged>,
    to: Option<&Judged>,
    worse_modules: Vec<String>,
) -> Option<VerdictChange> {
    let verdict = |judged: Option<&Judged>| judged.map(|judged| judged.verdict);
    let reason = |judged: Option<&Judged>| judged.map(|judged| judged.reason.clone()).unwrap_or_default();
    let (before, now) = (verdict(from), verdict(to));
    let direction = match (before, now) {
        (_, Some(_)) if !worse_modules.is_empty() => Direction::Worse,
        (before, Some(now)) if is_worse_verdict(before, now) => Direction::Worse,
        (Some(before), Some(now)) if now > before && now != Verdict::NotApplicable => Direction::Better,
        (_, _) => Direction::Other,
    };
    let is_same = before == now && reason(from) == reason(to) && worse_modules.is_empty();
    (!is_same).then(|| VerdictChange {
        from: before,
        to: now,
        direction,
        from_reason: reason(from),
        to_reason: reason(to),
        worse_modules,
    })
}

/// Whether a verdict is worse than the one before. Something new is worse unless it is ready.
/// `not-applicable` (it fails in the control too) says nothing about a mode.
fn is_worse_verdict(from: Option<Verdict>, to: Verdict) -> bool {
    match to {
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded => {
            from.is_none_or(|from| to < from)
        }
        Verdict::Ready | Verdict::NotApplicable => false,
    }
}

fn audited_modes(document: &Document) -> impl Iterator<Item = Mode> {
    document.modes.iter().copied().filter(|mode| *mode != Mode::Main)
}

fn compare_mode(
    old: &Document,
    new: &Document,
    mode: Mode,
    distributions: &[SubjectChange],
) -> ModeComparison {
    let in_the_way = |document: &Document| {
        document.count_distributions(mode, Verdict::Unsafe)
            + document.count_distributions(mode, Verdict::Blocked)
    };
    let verdict = |document: &Document| {
        document.compute_answer(mode).map_or(Verdict::Unknown, |answer| answer.verdict())
    };
    let that_are = |direction| {
        let steps = distributions.iter().filter_map(|change| change.modes.get(&mode));
        steps.filter(|step| step.direction == direction).count()
    };
    ModeComparison {
        from: old.modes.contains(&mode).then(|| verdict(old)),
        to: verdict(new),
        in_the_way_before: in_the_way(old),
        in_the_way_now: in_the_way(new),
        worse: that_are(Direction::Worse),
        better: that_are(Direction::Better),
    }
}
