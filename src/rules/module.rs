//! One module, or one top-level name, in one mode.

use std::collections::BTreeSet;

use super::cause::root;
use super::free_threading::switches_gil_on;
use super::misread_declaration::running;
use super::{Case, free_threading, inventory, words};
use crate::model::{
    Cause, Declared, Facts, FileKind, Initialisation, Judgement, Mode, Module, NotRun, Outcome, Trial,
    Verdict,
};

/// Judges a file that looks like an extension module.
pub fn module(case: &Case<'_>, module: &Module, mode: Mode) -> Judgement {
    let not_applicable = |reason: &str| Judgement::plain(Verdict::NotApplicable, reason);
    match &module.kind {
        FileKind::ExtensionModule | FileKind::Corrupt(_) => name(case, &module.name, mode),
        FileKind::PlainLibrary => not_applicable("a library without an init function, no extension module"),
        FileKind::OtherAbi => not_applicable("its suffix is another Python's: never imported here"),
        FileKind::OtherArchitecture(which) => {
            Judgement::plain(Verdict::NotApplicable, format!("built for {which}: cannot be loaded here"))
        }
        FileKind::BrokenLink => not_applicable("a symbolic link to nothing"),
        FileKind::UnimportableName => not_applicable("its name is no identifier: it cannot be imported"),
        FileKind::Shadowed(by) => {
            Judgement::plain(Verdict::NotApplicable, format!("never imported: {by} is found first"))
        }
        FileKind::Unreadable(why) => Judgement::plain(Verdict::Unknown, format!("cannot be read: {why}")),
        FileKind::OtherNames(functions) => inventory::other_names(case, module, functions, mode),
        FileKind::Archived { has_stub: false } => {
            not_applicable("in a zip file, from which no extension module can be imported")
        }
        FileKind::Archived { has_stub: true } => inventory::behind_a_stub(case, module, mode),
        FileKind::UserSite => Judgement::plain(
            Verdict::Unknown,
            "in this account's own site-packages, which trials leave out: a server's account has another",
        ),
    }
}

/// Judges what importing a name did.
pub(super) fn name(case: &Case<'_>, name: &str, mode: Mode) -> Judgement {
    if let Some(why) = case.no_trials.get(&mode) {
        return Judgement::plain(Verdict::Unknown, why);
    }
    let Some(control) = case.trials.get(name, Mode::Main) else {
        return Judgement::plain(Verdict::Unknown, "was not tried");
    };
    let trial = case.trials.get(name, mode);
    // A free-threaded build's control has no GIL either. What it fails at and could do with one is told here.
    let fails_without_gil = mode.is_free_threaded()
        && trial.is_some_and(|trial| !matches!(trial.outcome, Outcome::Imported | Outcome::NotRun(_)));
    if let Some(judgement) = in_control(case, control).filter(|_| !fails_without_gil) {
        return free_threading::only_here(case, name).unwrap_or(judgement);
    }
    let Some(trial) = trial else {
        return Judgement::plain(Verdict::Unknown, "was not tried");
    };
    match &trial.outcome {
        Outcome::Imported => imported(case, trial, control),
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
        Outcome::NotRun(NotRun::Because(why)) => Judgement::plain(Verdict::Unknown, why),
    }
}

/// A judgement where the control already settles it: what fails there is no matter of compatibility.
fn in_control(case: &Case<'_>, control: &Trial) -> Option<Judgement> {
    match &control.outcome {
        Outcome::Imported => None,
        Outcome::NotRun(NotRun::Because(why)) => Some(Judgement::plain(Verdict::Unknown, why)),
        Outcome::NotRun(NotRun::Shadowed(other)) => Some(shadowed(other.as_deref())),
        Outcome::NotRun(NotRun::Behind(_))
        | Outcome::Refused { .. }
        | Outcome::Raised { .. }
        | Outcome::Crashed { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::TimedOut { .. } => Some(match root(case, &control.subject, Mode::Main) {
            Some(root) => {
                let who = match root.cause.module == control.subject {
                    true => String::new(),
                    false => format!("{} ", root.cause.module),
                };
                let reason = format!("fails in the main interpreter too: {who}{}", root.cause.what);
                Judgement { cause: Some(root.cause), ..Judgement::plain(Verdict::NotApplicable, reason) }
            }
            None => not_tried(case, control),
        }),
    }
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
        return Judgement::plain(Verdict::Unknown, reason);
    }
    if let Some(judgement) = switches_gil_on(case, trial).filter(|_| trial.mode.is_free_threaded()) {
        return judgement;
    }
    if let Some(object) = trial.kept.first() {
        return Judgement::plain(Verdict::Unknown, words::kept(object, trial.kept.len()));
    }
    let lost = lost(case, trial, control);
    let refused = trial.loads.iter().find_map(|load| {
        let error = load.result.as_ref()?.as_ref().err()?;
        lost.contains(&load.name).then_some((&load.name, error))
    });
    let Some(first) = refused.map(|(name, _)| name).or(lost.first()) else {
        let ready = || Judgement::plain(Verdict::Ready, after(trial));
        return free_threading::lost_on_this_build(case, trial, control).unwrap_or_else(ready);
    };
    let what = match refused {
        Some((_, error)) => words::lost(error, case.facts.get(first.as_str()).copied()),
        None => "not loaded".to_owned(),
    };
    let more = match lost.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Judgement {
        verdict: Verdict::Degraded,
        reason: format!("imports without {first}{more}, {what}"),
        cause: Some(Cause {
            rule: "lost-accelerator",
            module: first.clone(),
            chain: vec![trial.subject.clone(), first.clone()],
            what,
        }),
        lost,
    }
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
    // What a single-phase module's init function imports is loaded in the main interpreter alone, where it runs (3.13):
    // here it is lost all the same, to code that imports it as it is used (black does).
    let in_control: BTreeSet<&str> = same.loaded().map(|load| load.name.as_str()).collect();
    in_control
        .into_iter()
        .filter(|name| !trial.loaded_in_all(name) && (is_same || failed.contains(name)))
        .map(str::to_owned)
        .collect()
}

pub(super) fn failed(case: &Case<'_>, name: &str, mode: Mode, verdict: Verdict) -> Judgement {
    let Some(root) = root(case, name, mode) else {
        return case.trials.get(name, mode).map_or_else(
            || Judgement::plain(Verdict::Unknown, "was not tried"),
            |trial| not_tried(case, trial),
        );
    };
    let reason = words::because_of(&root.cause, name);
    Judgement { cause: Some(root.cause), ..Judgement::plain(verdict, reason) }
}

/// Behind something that has no answer: with its reason.
fn not_tried(case: &Case<'_>, trial: &Trial) -> Judgement {
    let reason = match &trial.outcome {
        Outcome::NotRun(NotRun::Behind(other)) => {
            match case.trials.get(other, trial.mode).map(|trial| &trial.outcome) {
                Some(Outcome::NotRun(NotRun::Because(why))) => {
                    format!("needs {other}, which has no answer: {why}")
                }
                Some(_) | None => format!("needs {other}, which was not tried"),
            }
        }
        Outcome::Imported
        | Outcome::Refused { .. }
        | Outcome::Raised { .. }
        | Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::NotRun(_) => "was not tried".to_owned(),
    };
    Judgement::plain(Verdict::Unknown, reason)
}

fn shadowed(other: Option<&str>) -> Judgement {
    let reason = match other {
        Some(other) => format!("importing its name loads {other} instead"),
        None => "importing its name does not load this file".to_owned(),
    };
    Judgement::plain(Verdict::Unknown, reason)
}

fn after(trial: &Trial) -> String {
    trial.after.as_ref().map(|sibling| format!("needs {sibling} imported first")).unwrap_or_default()
}
