//! One module, or one top-level name, in one mode.

use std::collections::BTreeSet;

use super::cause::root;
use super::free_threading::switches_gil_on;
use super::misread_declaration::running;
use super::{Case, control, declared, free_threading, inventory, words};
use crate::model::{
    Cause, Declared, Facts, FileKind, Initialisation, Judgement, Mode, Module, NotRun, Outcome, Place,
    ReasonId, Trial, Verdict,
};

/// Judges a file that looks like an extension module. `done_without` names those that their distribution does without
/// in the control.
pub fn module(
    case: &Case<'_>,
    module: &Module,
    done_without: Option<&BTreeSet<String>>,
    mode: Mode,
) -> Judgement {
    use ReasonId::{
        BrokenLink, InZipFile, OtherAbi, OtherPlatform, PlainLibrary, Shadowed, UnimportableName, Unreadable,
        UserSite,
    };
    match &module.kind {
        FileKind::ExtensionModule => {
            let judgement = name(case, &module.name, mode);
            match done_without.is_some_and(|names| names.contains(&module.name)) {
                true => is_done_without(judgement, &module.name),
                false => judgement,
            }
        }
        FileKind::Corrupt(how) => damaged(name(case, &module.name, mode), how),
        FileKind::PlainLibrary => {
            Judgement::open(PlainLibrary, "a library without an init function, no extension module")
        }
        FileKind::OtherAbi => {
            Judgement::open(OtherAbi, "its suffix is another Python's: never imported here")
        }
        FileKind::OtherArchitecture(which) => {
            Judgement::open(OtherPlatform, format!("built for {which}: cannot be loaded here"))
        }
        FileKind::BrokenLink => {
            Judgement::open(BrokenLink, "a symbolic link to nothing: what it should lead to is missing")
        }
        FileKind::UnimportableName => {
            Judgement::open(UnimportableName, "its name is no identifier: it cannot be imported")
        }
        FileKind::Shadowed(by) => Judgement::open(Shadowed, format!("never imported: {by} is found first")),
        FileKind::Unreadable(why) => Judgement::open(Unreadable, format!("cannot be read: {why}")),
        FileKind::OtherNames(functions) => inventory::other_names(case, module, functions, mode),
        FileKind::Archived { has_stub: false } => {
            Judgement::open(InZipFile, "in a zip file, from which no extension module can be imported")
        }
        FileKind::Archived { has_stub: true } => inventory::behind_a_stub(case, module, mode),
        FileKind::UserSite => Judgement::open(
            UserSite,
            "in this account's own site-packages, which trials leave out: a server's account has another",
        ),
    }
}

/// Of a module that the control cannot import and its distribution does without: what is refused stays refused.
fn is_done_without(judgement: Judgement, name: &str) -> Judgement {
    match (judgement.verdict, &judgement.cause) {
        (Verdict::Unknown, Some(cause)) => {
            let what = control::what(cause, name);
            let reason = format!("its distribution does without it in the main interpreter too: {what}");
            let cause = Cause { rule: ReasonId::DoneWithout.id(), ..cause.clone() };
            Judgement { cause: Some(cause), ..Judgement::open(ReasonId::DoneWithout, reason) }
        }
        (
            Verdict::Unsafe
            | Verdict::Blocked
            | Verdict::Unknown
            | Verdict::Degraded
            | Verdict::Ready
            | Verdict::NotApplicable,
            _,
        ) => judgement,
    }
}

/// Of a damaged file: what the control could not do with it says nothing of the file that was meant.
fn damaged(judgement: Judgement, how: &str) -> Judgement {
    let Some(cause) = judgement.cause.as_ref().filter(|_| judgement.verdict == Verdict::Unknown) else {
        return judgement;
    };
    let reason = format!("its file is damaged ({how}), {}{}", cause.what, control::INSTALL_AGAIN);
    let cause = Cause { rule: ReasonId::DamagedFile.id(), ..cause.clone() };
    Judgement { cause: Some(cause), ..Judgement::open(ReasonId::DamagedFile, reason) }
}

/// Judges what importing a name did. Where no trial tells, what CPython refuses by declaration is refused all the same.
pub(super) fn name(case: &Case<'_>, name: &str, mode: Mode) -> Judgement {
    let judgement = by_trial(case, name, mode);
    let refusal = || declared::refusal(case, name, mode);
    if is_open(case, name, mode, &judgement) { refusal().unwrap_or(judgement) } else { judgement }
}

/// Whether no trial has told anything of this name in this mode.
fn is_open(case: &Case<'_>, name: &str, mode: Mode, judgement: &Judgement) -> bool {
    let is_about_another =
        matches!(judgement.reason_id, Some(ReasonId::LoadsAnotherFile | ReasonId::NotCPython));
    let tells = case.trials.get(name, mode).is_some_and(|trial| trial.outcome.was_tried());
    judgement.verdict == Verdict::Unknown && !is_about_another && !tells
}

fn by_trial(case: &Case<'_>, name: &str, mode: Mode) -> Judgement {
    if let Some(judgement) = case.no_trials.get(&mode) {
        return judgement.clone();
    }
    let Some(control) = case.trials.get(name, Mode::Main) else {
        return Judgement::open(ReasonId::NotTried, "was not tried");
    };
    if let Some(sibling) = imported_with_a_sibling(case, name, mode) {
        return Judgement::ready(format!("needs {sibling} imported first"));
    }
    let trial = case.trials.get(name, mode);
    // A free-threaded build's control has no GIL either. What it fails at and could do with one is told here.
    let fails_without_gil = mode.is_free_threaded()
        && trial.is_some_and(|trial| trial.outcome.was_tried() && trial.outcome != Outcome::Imported);
    if let Some(judgement) = control::failed(case, control, mode).filter(|_| !fails_without_gil) {
        return free_threading::only_here(case, name).unwrap_or(judgement);
    }
    let Some(trial) = trial else {
        return Judgement::open(ReasonId::NotTried, "was not tried");
    };
    match &trial.outcome {
        Outcome::Imported => imported(case, trial, control),
        Outcome::Raised { place: Place::AfterAnotherEnded, .. } => failed(case, name, mode, Verdict::Unsafe),
        Outcome::Refused { .. } | Outcome::Raised { .. } => failed(case, name, mode, Verdict::Blocked),
        Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. } => failed(case, name, mode, Verdict::Unsafe),
        Outcome::NotRun(NotRun::Behind(_)) => {
            let is_raised = root(case, name, mode).is_none_or(|root| {
                matches!(root.trial.outcome, Outcome::Refused { .. } | Outcome::Raised { .. })
            });
            failed(case, name, mode, if is_raised { Verdict::Blocked } else { Verdict::Unsafe })
        }
        Outcome::NotRun(NotRun::Shadowed(other)) => shadowed(other.as_deref()),
        Outcome::NotRun(NotRun::Because(id, why)) => Judgement::open(*id, why),
    }
}

/// The module that must be imported first for this package to import. A trial that imported it first and then a module of the
/// package passed, and importing that module also imports the package. `None` if there was no such trial, if the control of
/// the package did not raise, or if its own trial in this mode tells how its import ends.
fn imported_with_a_sibling<'a>(case: &'a Case<'_>, name: &str, mode: Mode) -> Option<&'a str> {
    let control = &case.trials.get(name, Mode::Main)?.outcome;
    let raises = matches!(control, Outcome::Raised { .. });
    let own = case.trials.get(name, mode).filter(|_| mode != Mode::Main).map(|trial| &trial.outcome);
    // Its import has ended in what it needs.
    let failed_at_another = matches!(own, Some(Outcome::NotRun(NotRun::Behind(_))));
    let own_tells = failed_at_another || own.is_some_and(Outcome::was_tried);
    let is_within = |trial: &&Trial| {
        trial.outcome == Outcome::Imported
            && trial.subject.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
    };
    let mut passing = case.trials.of(mode).filter(is_within);
    passing.find_map(|trial| trial.after.as_deref()).filter(|_| raises && !own_tells)
}

fn imported(case: &Case<'_>, trial: &Trial, control: &Trial) -> Judgement {
    let contradicts = |facts: &&Facts| {
        let declares = matches!(facts.multiple_interpreters(), Declared::Value(2) | Declared::Undetermined);
        let running = running(case, &trial.subject, None);
        let is_running =
            running.is_some_and(|running| running.slots.iter().any(|slot| matches!(slot, (3 | 86, Some(2)))));
        trial.mode == Mode::OwnGil
            && facts.initialisation != Initialisation::Undetermined
            && !(declares || is_running)
    };
    if let Some(facts) = case.facts.get(trial.subject.as_str()).filter(|facts| contradicts(facts)) {
        let reason = format!(
            "CPython accepted it although its file says {}: report this to wsgiaudit",
            words::declaration(facts)
        );
        return Judgement::open(ReasonId::DeclarationContradicted, reason);
    }
    if let Some(judgement) = switches_gil_on(case, trial).filter(|_| trial.mode.is_free_threaded()) {
        return judgement;
    }
    if let Some(object) = trial.kept.first() {
        return Judgement::open(ReasonId::KeepsObjects, words::kept(object, trial.kept.len()));
    }
    let lost = lost(case, trial, control);
    let refused = trial.loads.iter().find_map(|load| {
        let error = load.result.as_ref()?.as_ref().err()?;
        lost.contains(&load.name).then_some((&load.name, error))
    });
    let Some(first) = refused.map(|(name, _)| name).or(lost.first()) else {
        let ready = || Judgement::ready(after(trial));
        return free_threading::lost_on_this_build(case, trial, control).unwrap_or_else(ready);
    };
    let what = match refused {
        Some((_, error)) => words::lost(error, case.facts.get(first.as_str()).copied()),
        None if loaded_before(trial, first) => "loaded by the first interpreter alone".to_owned(),
        None => "not loaded".to_owned(),
    };
    let more = match lost.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let reason = format!("imports without {first}{more}, {what}");
    let cause = Cause {
        rule: "lost-accelerator",
        module: first.clone(),
        chain: vec![trial.subject.clone(), first.clone()],
        what,
    };
    Judgement { lost, ..Judgement::found(Verdict::Degraded, Some(cause), reason) }
}

/// Extension modules that the control loaded and some interpreter of the trial did not. Both must have
/// imported the same: where another subject answered for the control alone, only failed loads count.
fn lost(case: &Case<'_>, trial: &Trial, control: &Trial) -> Vec<String> {
    let same = match &trial.through {
        Some(through) => case.trials.get(through, Mode::Main).unwrap_or(control),
        None => control,
    };
    let is_same =
        trial.through.is_some() || control.through == trial.through || control.through == trial.after;
    let failed: BTreeSet<&str> = trial
        .loads
        .iter()
        .filter(|load| matches!(load.result, Some(Err(_))))
        .map(|load| load.name.as_str())
        .collect();
    // What a single-phase module's init function imports is loaded in the main interpreter alone, where it runs (3.13). It
    // is not lost where it can be imported here, and everything that holds something of it in the control does so here.
    let is_usable = |name: &str| {
        let is_loaded_in_main = trial.loaded().any(|load| load.interpreter == "main" && load.name == name);
        let held = same.held.get(name).zip(trial.held.get(name));
        is_loaded_in_main && !failed.contains(name) && held.is_some_and(|(there, here)| there.is_subset(here))
    };
    let in_control: BTreeSet<&str> = same.loaded().map(|load| load.name.as_str()).collect();
    in_control
        .into_iter()
        .filter(|name| !trial.loaded_in_all(name) && (is_same || failed.contains(name)))
        .filter(|name| !is_usable(name))
        .map(str::to_owned)
        .collect()
}

/// Whether the first of the trial's interpreters has loaded this, or the main one for it.
fn loaded_before(trial: &Trial, name: &str) -> bool {
    trial.loaded().any(|load| load.name == name && ["main", "A"].contains(&load.interpreter.as_str()))
}

pub(super) fn failed(case: &Case<'_>, name: &str, mode: Mode, verdict: Verdict) -> Judgement {
    let Some(root) = root(case, name, mode) else {
        return case.trials.get(name, mode).map_or_else(
            || Judgement::open(ReasonId::NotTried, "was not tried"),
            |trial| not_tried(case, trial),
        );
    };
    let reason = words::because_of(&root.cause, name);
    let lost = missed(case, root.trial);
    Judgement { lost, ..Judgement::found(verdict, Some(root.cause), reason) }
}

/// The extension modules that could not be loaded before Python code raised, though the control loads them.
fn missed(case: &Case<'_>, trial: &Trial) -> Vec<String> {
    let control = case.trials.get(&trial.subject, Mode::Main);
    let Some(control) = control.filter(|_| matches!(trial.outcome, Outcome::Raised { .. })) else {
        return Vec::new();
    };
    let in_control: BTreeSet<&str> = control.loaded().map(|load| load.name.as_str()).collect();
    let failed = trial.loads.iter().filter(|load| matches!(load.result, Some(Err(_))));
    let missed: BTreeSet<&String> =
        failed.map(|load| &load.name).filter(|name| in_control.contains(name.as_str())).collect();
    missed.into_iter().cloned().collect()
}

/// Behind something that has no answer: with its reason.
pub(super) fn not_tried(case: &Case<'_>, trial: &Trial) -> Judgement {
    match &trial.outcome {
        Outcome::NotRun(NotRun::Behind(other)) => {
            let reason = match case.trials.get(other, trial.mode).map(|trial| &trial.outcome) {
                Some(Outcome::NotRun(NotRun::Because(_, why))) => {
                    format!("needs {other}, which has no answer: {why}")
                }
                Some(_) | None => format!("needs {other}, which was not tried"),
            };
            Judgement::open(ReasonId::NeedsUnknown, reason)
        }
        Outcome::Imported
        | Outcome::Refused { .. }
        | Outcome::Raised { .. }
        | Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::NotRun(_) => Judgement::open(ReasonId::NotTried, "was not tried"),
    }
}

pub(super) fn shadowed(other: Option<&str>) -> Judgement {
    let reason = match other {
        Some(other) => format!("importing its name loads {other} instead"),
        None => "importing its name does not load this file".to_owned(),
    };
    Judgement::open(ReasonId::LoadsAnotherFile, reason)
}

fn after(trial: &Trial) -> String {
    trial.after.as_ref().map(|sibling| format!("needs {sibling} imported first")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{Death, Place, PythonError};
    use crate::trial::Trials;

    fn trial(subject: &str, mode: Mode, outcome: Outcome, after: Option<&str>) -> Trial {
        let because = NotRun::Because(ReasonId::NotTried, String::new());
        Trial { outcome, after: after.map(str::to_owned), ..Trial::not_run(subject, mode, because) }
    }

    /// The verdict of a package that raises in the control and has a module which imports after `lamp`, when its own trial
    /// without a GIL ended so.
    fn verdict(own: Option<Outcome>) -> Verdict {
        let mode = Mode::FreeThreaded;
        let error = PythonError { kind: "ImportError".to_owned(), text: String::new(), chain: Vec::new() };
        let raised = Outcome::Raised { place: Place::Import, error, suspect: None };
        let mut trials = Trials::default();
        trials.add(trial("shop", Mode::Main, raised, None));
        trials.add(trial("shop.shelf", mode, Outcome::Imported, Some("lamp")));
        own.into_iter().for_each(|outcome| trials.add(trial("shop", mode, outcome, None)));
        let crashed = Outcome::Crashed { how: Death::Signal(11), place: Place::Import, loading: None };
        trials.add(trial("till", mode, crashed, None));
        let (facts, no_trials) = (BTreeMap::new(), BTreeMap::new());
        let case = Case {
            trials: &trials,
            facts: &facts,
            no_trials: &no_trials,
            is_free_threaded: true,
            beside: None,
        };
        name(&case, "shop", mode).verdict
    }

    #[test]
    fn a_module_that_passes_speaks_for_its_package_only_where_the_package_s_own_trial_does_not() {
        assert_eq!(verdict(None), Verdict::Ready);
        let crashed = Outcome::Crashed { how: Death::Signal(11), place: Place::Import, loading: None };
        assert_ne!(verdict(Some(crashed)), Verdict::Ready);
        assert_ne!(verdict(Some(Outcome::NotRun(NotRun::Behind("till".to_owned())))), Verdict::Ready);
    }
}
