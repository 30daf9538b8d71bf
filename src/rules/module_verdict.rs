//! Judges an extension module, or a top-level name, in one mode.

use std::collections::BTreeSet;

use super::failure_trace::trace_failure;
use super::free_threading::judge_gil_activation;
use super::misread_declaration::find_running_definition;
use super::{VerdictInput, control_failure, declared_refusal, free_threading, indirect_files, messages};
use crate::model::{
    BinaryFacts, ExtensionFile, ExtensionFileKind, InitKind, Judgement, Mode, NotRunReason, ReasonId,
    RootCause, SlotDeclaration, Trial, TrialOutcome, TrialPhase, Verdict,
};

/// Judges a file that looks like an extension module. `done_without` are the modules that their distribution
/// works without in the control.
pub fn judge_module(
    input: &VerdictInput<'_>,
    module: &ExtensionFile,
    done_without: Option<&BTreeSet<String>>,
    mode: Mode,
) -> Judgement {
    use ReasonId::{
        BrokenLink, InZipFile, OtherAbi, OtherPlatform, PlainLibrary, Shadowed, UnimportableName, Unreadable,
        UserSite,
    };
    match &module.kind {
        ExtensionFileKind::ExtensionModule => {
            let judgement = judge_name(input, &module.name, mode);
            match done_without.is_some_and(|names| names.contains(&module.name)) {
                true => judge_optional_module(judgement, &module.name),
                false => judgement,
            }
        }
        ExtensionFileKind::Corrupt(how) => judge_damaged_file(judge_name(input, &module.name, mode), how),
        ExtensionFileKind::PlainLibrary => Judgement::from_reason_id(
            PlainLibrary,
            "a library without an init function, not an extension module",
        ),
        ExtensionFileKind::OtherAbi => {
            Judgement::from_reason_id(OtherAbi, "its suffix is for another Python: never imported here")
        }
        ExtensionFileKind::OtherArchitecture(which) => {
            Judgement::from_reason_id(OtherPlatform, format!("built for {which}: cannot be loaded here"))
        }
        ExtensionFileKind::BrokenLink => {
            Judgement::from_reason_id(BrokenLink, "a broken symbolic link: its target does not exist")
        }
        ExtensionFileKind::UnimportableName => Judgement::from_reason_id(
            UnimportableName,
            "its name is not an identifier: it cannot be imported",
        ),
        ExtensionFileKind::Shadowed(by) => {
            Judgement::from_reason_id(Shadowed, format!("never imported: {by} is found first"))
        }
        ExtensionFileKind::Unreadable(why) => {
            Judgement::from_reason_id(Unreadable, format!("cannot be read: {why}"))
        }
        ExtensionFileKind::OtherNames(functions) => {
            indirect_files::judge_file_with_other_names(input, module, functions, mode)
        }
        ExtensionFileKind::Archived { has_stub: false } => Judgement::from_reason_id(
            InZipFile,
            "in a zip file, from which no extension module can be imported",
        ),
        ExtensionFileKind::Archived { has_stub: true } => {
            indirect_files::judge_file_behind_stub(input, module, mode)
        }
        ExtensionFileKind::UserSite => Judgement::from_reason_id(
            UserSite,
            "in the user site-packages of this account, which trials ignore: a server runs under another account",
        ),
    }
}

/// Turns the judgement of a module that the control cannot import and its distribution works without. A
/// refusal by declaration is kept.
fn judge_optional_module(judgement: Judgement, name: &str) -> Judgement {
    match (judgement.verdict, &judgement.cause) {
        (Verdict::Unknown, Some(cause)) => {
            let what = control_failure::describe_control_failure(cause, name);
            let reason = format!("its distribution works without it in the main interpreter too: {what}");
            let cause = RootCause { rule: ReasonId::DoneWithout.id(), ..cause.clone() };
            Judgement { cause: Some(cause), ..Judgement::from_reason_id(ReasonId::DoneWithout, reason) }
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

/// Turns the judgement of a damaged file: a failure of the control says nothing about the intact module.
fn judge_damaged_file(judgement: Judgement, how: &str) -> Judgement {
    let Some(cause) = judgement.cause.as_ref().filter(|_| judgement.verdict == Verdict::Unknown) else {
        return judgement;
    };
    let reason = format!("its file is damaged ({how}), {}{}", cause.what, control_failure::INSTALL_AGAIN);
    let cause = RootCause { rule: ReasonId::DamagedFile.id(), ..cause.clone() };
    Judgement { cause: Some(cause), ..Judgement::from_reason_id(ReasonId::DamagedFile, reason) }
}

/// Judges the import of a name: by its trials, otherwise by the declaration, if CPython refuses that.
pub(super) fn judge_name(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Judgement {
    let judgement = judge_by_trials(input, name, mode);
    let refusal = || declared_refusal::judge_declared_refusal(input, name, mode);
    if is_undecided(input, name, mode, &judgement) { refusal().unwrap_or(judgement) } else { judgement }
}

/// Whether no trial shows anything about this name in this mode.
fn is_undecided(input: &VerdictInput<'_>, name: &str, mode: Mode, judgement: &Judgement) -> bool {
    let is_about_another =
        matches!(judgement.reason_id, Some(ReasonId::LoadsAnotherFile | ReasonId::NotCPython));
    let was_tried = input.trials.get(name, mode).is_some_and(|trial| trial.outcome.was_tried());
    judgement.verdict == Verdict::Unknown && !is_about_another && !was_tried
}

/// Judges the import of a name by its trials alone.
fn judge_by_trials(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Judgement {
    if let Some(judgement) = input.no_trials.get(&mode) {
        return judgement.clone();
    }
    let Some(control) = input.trials.get(name, Mode::Main) else {
        return Judgement::from_reason_id(ReasonId::NotTried, "was not tried");
    };
    if let Some(sibling) = find_required_sibling(input, name, mode) {
        return Judgement::ready(format!("needs {sibling} imported first"));
    }
    let trial = input.trials.get(name, mode);
    // On a free-threaded build the control runs without the GIL, too. A failure that only happens without the
    // GIL is judged by the trial in this mode.
    let fails_without_gil = mode.is_free_threaded()
        && trial.is_some_and(|trial| trial.outcome.was_tried() && trial.outcome != TrialOutcome::Imported);
    if let Some(judgement) =
        control_failure::judge_failed_control(input, control, mode).filter(|_| !fails_without_gil)
    {
        return free_threading::judge_free_threaded_only_failure(input, name).unwrap_or(judgement);
    }
    let Some(trial) = trial else {
        return Judgement::from_reason_id(ReasonId::NotTried, "was not tried");
    };
    match &trial.outcome {
        TrialOutcome::Imported => judge_import(input, trial, control),
        TrialOutcome::Raised { place: TrialPhase::AfterAnotherEnded, .. } => {
            judge_failure(input, name, mode, Verdict::Unsafe)
        }
        TrialOutcome::Refused { .. } | TrialOutcome::Raised { .. } => {
            judge_failure(input, name, mode, Verdict::Blocked)
        }
        TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. } => judge_failure(input, name, mode, Verdict::Unsafe),
        TrialOutcome::NotRun(NotRunReason::Behind(_)) => {
            let is_raised = trace_failure(input, name, mode).is_none_or(|root| {
                matches!(root.trial.outcome, TrialOutcome::Refused { .. } | TrialOutcome::Raised { .. })
            });
            judge_failure(input, name, mode, if is_raised { Verdict::Blocked } else { Verdict::Unsafe })
        }
        TrialOutcome::NotRun(NotRunReason::Shadowed(other)) => judge_shadowed(other.as_deref()),
        TrialOutcome::NotRun(NotRunReason::Because(id, why)) => Judgement::from_reason_id(*id, why),
    }
}

/// Returns the module that must be imported first for this package to import.
///
/// A trial passed that imported it first and then a module of the package, which also imports the package.
/// Returns `None` if there was no such trial, if the control of the package did not raise, or if the
/// package's own trial in this mode shows how its import ends.
fn find_required_sibling<'a>(input: &'a VerdictInput<'_>, name: &str, mode: Mode) -> Option<&'a str> {
    let control = &input.trials.get(name, Mode::Main)?.outcome;
    let raises = matches!(control, TrialOutcome::Raised { .. });
    let own = input.trials.get(name, mode).filter(|_| mode != Mode::Main).map(|trial| &trial.outcome);
    // Its import ended in the failure of another module.
    let failed_at_another = matches!(own, Some(TrialOutcome::NotRun(NotRunReason::Behind(_))));
    let own_is_known = failed_at_another || own.is_some_and(TrialOutcome::was_tried);
    let is_within = |trial: &&Trial| {
        trial.outcome == TrialOutcome::Imported
            && trial.subject.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
    };
    let mut passing = input.trials.trials_in_mode(mode).filter(is_within);
    passing.find_map(|trial| trial.after.as_deref()).filter(|_| raises && !own_is_known)
}

/// Judges an import that passed in this mode.
fn judge_import(input: &VerdictInput<'_>, trial: &Trial, control: &Trial) -> Judgement {
    let contradicts = |facts: &&BinaryFacts| {
        let declares = matches!(
            facts.multiple_interpreters_slot(),
            SlotDeclaration::Value(2) | SlotDeclaration::Undetermined
        );
        let running = find_running_definition(input, &trial.subject, None);
        let is_running =
            running.is_some_and(|running| running.slots.iter().any(|slot| matches!(slot, (3 | 86, Some(2)))));
        trial.mode == Mode::OwnGil
            && facts.initialisation != InitKind::Undetermined
            && !(declares || is_running)
    };
    if let Some(facts) = input.facts.get(trial.subject.as_str()).filter(|facts| contradicts(facts)) {
        let reason = format!(
            "CPython accepted it although its file says {}: report this to wsgiaudit",
            messages::describe_slot_declaration(facts)
        );
        return Judgement::from_reason_id(ReasonId::DeclarationContradicted, reason);
    }
    if let Some(judgement) = judge_gil_activation(input, trial).filter(|_| trial.mode.is_free_threaded()) {
        return judgement;
    }
    if let Some(object) = trial.kept.first() {
        return Judgement::from_reason_id(
            ReasonId::KeepsObjects,
            messages::describe_retained_objects(object, trial.kept.len()),
        );
    }
    let lost = find_lost_modules(input, trial, control);
    let refused = trial.loads.iter().find_map(|load| {
        let error = load.result.as_ref()?.as_ref().err()?;
        lost.contains(&load.name).then_some((&load.name, error))
    });
    let Some(first) = refused.map(|(name, _)| name).or(lost.first()) else {
        let ready = || Judgement::ready(describe_import_order(trial));
        return free_threading::judge_missing_accelerators(input, trial, control).unwrap_or_else(ready);
    };
    let what = match refused {
        Some((_, error)) => messages::describe_failed_load(error, input.facts.get(first.as_str()).copied()),
        None if is_loaded_by_first_interpreter(trial, first) => {
            "loaded by the first interpreter only".to_owned()
        }
        None => "not loaded".to_owned(),
    };
    let more = match lost.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let reason = format!("imports without {first}{more}, {what}");
    let cause = RootCause {
        rule: "lost-accelerator",
        module: first.clone(),
        chain: vec![trial.subject.clone(), first.clone()],
        what,
    };
    Judgement { lost, ..Judgement::from_evidence(Verdict::Degraded, Some(cause), reason) }
}

/// Returns the extension modules that the control loaded and some interpreter of the trial did not.
///
/// The comparison needs a control that imported the same subject. If another subject covers the control only,
/// failed loads count alone.
fn find_lost_modules(input: &VerdictInput<'_>, trial: &Trial, control: &Trial) -> Vec<String> {
    let same = match &trial.through {
        Some(through) => input.trials.get(through, Mode::Main).unwrap_or(control),
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
    // CPython 3.13 runs the init function of a single-phase module in the main interpreter. Modules that it
    // imports are loaded there only. Such a module is not lost if it can be imported in the sub-interpreter
    // and every module that refers to it in the control refers to it there, too.
    let is_usable = |name: &str| {
        let is_loaded_in_main =
            trial.successful_loads().any(|load| load.interpreter == "main" && load.name == name);
        let held = same.held.get(name).zip(trial.held.get(name));
        is_loaded_in_main && !failed.contains(name) && held.is_some_and(|(there, here)| there.is_subset(here))
    };
    let in_control: BTreeSet<&str> = same.successful_loads().map(|load| load.name.as_str()).collect();
    in_control
        .into_iter()
        .filter(|name| !trial.is_loaded_in_all_interpreters(name) && (is_same || failed.contains(name)))
        .filter(|name| !is_usable(name))
        .map(str::to_owned)
        .collect()
}

/// Whether the first interpreter of the trial loaded this module, or the main interpreter on its behalf.
fn is_loaded_by_first_interpreter(trial: &Trial, name: &str) -> bool {
    trial
        .successful_loads()
        .any(|load| load.name == name && ["main", "A"].contains(&load.interpreter.as_str()))
}

/// Judges a failed import by its root cause, with the given verdict.
pub(super) fn judge_failure(input: &VerdictInput<'_>, name: &str, mode: Mode, verdict: Verdict) -> Judgement {
    let Some(root) = trace_failure(input, name, mode) else {
        return input.trials.get(name, mode).map_or_else(
            || Judgement::from_reason_id(ReasonId::NotTried, "was not tried"),
            |trial| judge_untried(input, trial),
        );
    };
    let reason = messages::describe_cause(&root.cause, name);
    let lost = find_failed_loads(input, root.trial);
    Judgement { lost, ..Judgement::from_evidence(verdict, Some(root.cause), reason) }
}

/// Returns the extension modules that failed to load before Python code raised, although the control loads
/// them.
fn find_failed_loads(input: &VerdictInput<'_>, trial: &Trial) -> Vec<String> {
    let control = input.trials.get(&trial.subject, Mode::Main);
    let Some(control) = control.filter(|_| matches!(trial.outcome, TrialOutcome::Raised { .. })) else {
        return Vec::new();
    };
    let in_control: BTreeSet<&str> = control.successful_loads().map(|load| load.name.as_str()).collect();
    let failed = trial.loads.iter().filter(|load| matches!(load.result, Some(Err(_))));
    let missed: BTreeSet<&String> =
        failed.map(|load| &load.name).filter(|name| in_control.contains(name.as_str())).collect();
    missed.into_iter().cloned().collect()
}

/// Judges a subject that was not tried, with the reason of the module that prevented the trial.
pub(super) fn judge_untried(input: &VerdictInput<'_>, trial: &Trial) -> Judgement {
    match &trial.outcome {
        TrialOutcome::NotRun(NotRunReason::Behind(other)) => {
            let reason = match input.trials.get(other, trial.mode).map(|trial| &trial.outcome) {
                Some(TrialOutcome::NotRun(NotRunReason::Because(_, why))) => {
                    format!("needs {other}, which could not be judged: {why}")
                }
                Some(_) | None => format!("needs {other}, which was not tried"),
            };
            Judgement::from_reason_id(ReasonId::NeedsUnknown, reason)
        }
        TrialOutcome::Imported
        | TrialOutcome::Refused { .. }
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(_) => Judgement::from_reason_id(ReasonId::NotTried, "was not tried"),
    }
}

/// Judges a file whose name loads another file.
pub(super) fn judge_shadowed(other: Option<&str>) -> Judgement {
    let reason = match other {
        Some(other) => format!("importing its name loads {other} instead"),
        None => "importing its name does not load this file".to_owned(),
    };
    Judgement::from_reason_id(ReasonId::LoadsAnotherFile, reason)
}

/// Names the module that had to be imported first. Empty if there is none.
fn describe_import_order(trial: &Trial) -> String {
    trial.after.as_ref().map(|sibling| format!("needs {sibling} imported first")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{AbnormalExit, PythonError, TrialPhase};
    use crate::trial::Trials;

    fn trial(subject: &str, mode: Mode, outcome: TrialOutcome, after: Option<&str>) -> Trial {
        let because = NotRunReason::Because(ReasonId::NotTried, String::new());
        Trial { outcome, after: after.map(str::to_owned), ..Trial::not_run(subject, mode, because) }
    }

    /// Returns the verdict of a package that raises in the control and has a module that imports after
    /// `lamp`. `own` is the outcome of the package's own trial without the GIL.
    fn verdict(own: Option<TrialOutcome>) -> Verdict {
        let mode = Mode::FreeThreaded;
        let error = PythonError { kind: "ImportError".to_owned(), text: String::new(), chain: Vec::new() };
        let raised = TrialOutcome::Raised { place: TrialPhase::Import, error, suspect: None };
        let mut trials = Trials::default();
        trials.add_trial(trial("shop", Mode::Main, raised, None));
        trials.add_trial(trial("shop.shelf", mode, TrialOutcome::Imported, Some("lamp")));
        own.into_iter().for_each(|outcome| trials.add_trial(trial("shop", mode, outcome, None)));
        let crashed =
            TrialOutcome::Crashed { how: AbnormalExit::Signal(11), place: TrialPhase::Import, loading: None };
        trials.add_trial(trial("till", mode, crashed, None));
        let (facts, no_trials) = (BTreeMap::new(), BTreeMap::new());
        let input = VerdictInput {
            trials: &trials,
            facts: &facts,
            no_trials: &no_trials,
            is_free_threaded: true,
            beside: None,
        };
        judge_name(&input, "shop", mode).verdict
    }

    #[test]
    fn a_module_that_passes_speaks_for_its_package_only_where_the_package_s_own_trial_does_not() {
        assert_eq!(verdict(None), Verdict::Ready);
        let crashed =
            TrialOutcome::Crashed { how: AbnormalExit::Signal(11), place: TrialPhase::Import, loading: None };
        assert_ne!(verdict(Some(crashed)), Verdict::Ready);
        assert_ne!(
            verdict(Some(TrialOutcome::NotRun(NotRunReason::Behind("till".to_owned())))),
            Verdict::Ready
        );
    }
}
