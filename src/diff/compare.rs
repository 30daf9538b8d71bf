//! From two documents to what changed between them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Comparison, Direction, InMode, Step, modules, roots};
use crate::model::{Mode, Verdict};
use crate::report::v1::{Document, Judged, Tool, Tried};
use crate::report::{DecidedBy, normalised};

/// Compares an earlier report with a later one.
pub fn compare(old: &Document, new: &Document) -> Comparison {
    let both: BTreeSet<Mode> = asked(new).filter(|mode| old.modes.contains(mode)).collect();
    let worse_modules = modules::worse(old, new);
    let distributions = changes(&distributions(old), &distributions(new), |key, mode, from, to| {
        let modules = worse_modules.get(&(key.clone(), mode)).cloned().unwrap_or_default();
        both.contains(&mode).then(|| step(from, to, modules)).flatten()
    });
    let plainly = |_: &Option<String>, mode, from: Option<&Judged>, to: Option<&Judged>| {
        both.contains(&mode).then(|| step(from, to, Vec::new())).flatten()
    };
    let applications = changes(&applications(old), &applications(new), plainly);
    let exercises = changes(&exercises(old), &exercises(new), plainly);
    let modules = changes(&modules_asked_about(old), &modules_asked_about(new), plainly);
    Comparison {
        schema: 1,
        tool: Tool::this(),
        old: old.environment.clone(),
        new: new.environment.clone(),
        modes: asked(new).map(|mode| (mode, in_mode(old, new, mode, &distributions))).collect(),
        applications,
        exercises,
        modules,
        distributions,
        new_roots: roots::only_in(new, old, &both),
        gone_roots: roots::only_in(old, new, &both),
        new_trouble: new.trouble.iter().filter(|each| !old.trouble.contains(each)).cloned().collect(),
    }
}

/// What has a verdict in each mode.
#[derive(Default)]
struct Subject<'a> {
    name: Option<&'a str>,
    versions: Vec<&'a str>,
    modes: BTreeMap<Mode, &'a Judged>,
}

impl<'a> Subject<'a> {
    /// Several of one name count as the worst of them.
    fn add(&mut self, mode: Mode, judged: &'a Judged) {
        let worst = self.modes.entry(mode).or_insert(judged);
        if judged.verdict < worst.verdict {
            *worst = judged;
        }
    }
}

/// By normalised name; `None` is what no distribution claims.
type Subjects<'a> = BTreeMap<Option<String>, Subject<'a>>;

fn distributions(document: &Document) -> Subjects<'_> {
    let mut all = Subjects::new();
    for row in &document.distributions {
        let subject = all.entry(row.name.as_deref().map(normalised)).or_default();
        subject.name = row.name.as_deref();
        subject.versions.push(&row.version);
        row.modes.iter().for_each(|(mode, judged)| subject.add(*mode, judged));
    }
    all
}

fn applications(document: &Document) -> Subjects<'_> {
    of_tried(document.applications.iter().map(|each| (each.name.as_str(), &each.modes)), normalised)
}

fn exercises(document: &Document) -> Subjects<'_> {
    of_tried(document.exercises.iter().map(|each| (each.file.as_str(), &each.modes)), normalised)
}

/// The modules of a report that is about modules; else a distribution's change tells which of its modules got worse.
fn modules_asked_about(document: &Document) -> Subjects<'_> {
    let modules = document.modules.iter().filter(|_| document.decided_by() == DecidedBy::Modules);
    // `_speedups` is another module than `speedups`.
    of_tried(modules.map(|each| (each.name.as_str(), &each.modes)), str::to_owned)
}

fn of_tried<'a>(
    rows: impl Iterator<Item = (&'a str, &'a BTreeMap<Mode, Tried>)>,
    key: impl Fn(&str) -> String,
) -> Subjects<'a> {
    let mut all = Subjects::new();
    for (name, modes) in rows {
        let subject = all.entry(Some(key(name))).or_default();
        subject.name = Some(name);
        modes.iter().for_each(|(mode, tried)| subject.add(*mode, &tried.judged));
    }
    all
}

fn changes<'a>(
    before: &Subjects<'a>,
    now: &Subjects<'a>,
    step: impl Fn(&Option<String>, Mode, Option<&Judged>, Option<&Judged>) -> Option<Step>,
) -> Vec<Change> {
    let keys: BTreeSet<&Option<String>> = before.keys().chain(now.keys()).collect();
    let mut changes = Vec::new();
    for key in keys {
        let (from, to) = (before.get(key), now.get(key));
        let judged =
            |subject: Option<&Subject<'a>>, mode| subject.and_then(|each| each.modes.get(&mode).copied());
        let steps = Mode::ALL
            .into_iter()
            .filter_map(|mode| Some((mode, step(key, mode, judged(from, mode), judged(to, mode))?)));
        let change = Change {
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

/// `None` where nothing changed.
fn step(from: Option<&Judged>, to: Option<&Judged>, worse_modules: Vec<String>) -> Option<Step> {
    let verdict = |judged: Option<&Judged>| judged.map(|judged| judged.verdict);
    let reason = |judged: Option<&Judged>| judged.map(|judged| judged.reason.clone()).unwrap_or_default();
    let (before, now) = (verdict(from), verdict(to));
    let direction = match (before, now) {
        (_, Some(_)) if !worse_modules.is_empty() => Direction::Worse,
        (before, Some(now)) if is_worse(before, now) => Direction::Worse,
        (Some(before), Some(now)) if now > before && now != Verdict::NotApplicable => Direction::Better,
        (_, _) => Direction::Other,
    };
    let is_same = before == now && reason(from) == reason(to) && worse_modules.is_empty();
    (!is_same).then(|| Step {
        from: before,
        to: now,
        direction,
        from_reason: reason(from),
        to_reason: reason(to),
        worse_modules,
    })
}

/// Whether a verdict is worse than the one before; what was not there before was fine. What fails in the control
/// too (`not-applicable`) says nothing about a mode.
fn is_worse(from: Option<Verdict>, to: Verdict) -> bool {
    match to {
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded => {
            from.is_none_or(|from| to < from)
        }
        Verdict::Ready | Verdict::NotApplicable => false,
    }
}

fn asked(document: &Document) -> impl Iterator<Item = Mode> {
    document.modes.iter().copied().filter(|mode| *mode != Mode::Main)
}

fn in_mode(old: &Document, new: &Document, mode: Mode, distributions: &[Change]) -> InMode {
    let in_the_way =
        |document: &Document| document.count(mode, Verdict::Unsafe) + document.count(mode, Verdict::Blocked);
    let verdict =
        |document: &Document| document.answer(mode).map_or(Verdict::Unknown, |answer| answer.verdict());
    let that_are = |direction| {
        let steps = distributions.iter().filter_map(|change| change.modes.get(&mode));
        steps.filter(|step| step.direction == direction).count()
    };
    InMode {
        from: old.modes.contains(&mode).then(|| verdict(old)),
        to: verdict(new),
        in_the_way_before: in_the_way(old),
        in_the_way_now: in_the_way(new),
        worse: that_are(Direction::Worse),
        better: that_are(Direction::Better),
    }
}
