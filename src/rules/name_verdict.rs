//! Judges the import of a name in one mode: of an extension module, a top-level name or an application.

use super::failed_import::{judge_failure, judge_shadowed};
use super::failure_trace::trace_failure;
use super::passed_import::judge_import;
use super::{VerdictInput, control_failure, declared_refusal, free_threading};
use crate::model::{Judgement, Mode, NotRunReason, ReasonId, Trial, TrialOutcome, TrialPhase, Verdict};

/// Judges the import of a name: by its trials, otherwise by the declaration, if CPython refuses that.
pub fn judge_name(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Judgement {
    let judgement = judge_by_trials(input, name, mode);
    let refusal = || declared_refusal::judge_declared_refusal(input, name, mode);
    if is_undecided(input, name, mode, &judgement) { refusal().unwrap_or(judgement) } else { judgement }
}

/// Judges a top-level name that is also the name of a file of the distribution. If the import fails
/// because of a defect of the file, the name gets the file's judgement.
pub fn judge_name_of_file(
    input: &VerdictInput<'_>,
    name: &str,
    file: Option<&Judgement>,
    mode: Mode,
) -> Judgement {
    let judgement = judge_name(input, name, mode);
    let is_file_defect = |file: &&Judgement| match file.reason_id {
        Some(
            ReasonId::PlainLibrary
            | ReasonId::OtherAbi
            | ReasonId::OtherPlatform
            | ReasonId::UnimportableName
            | ReasonId::BrokenLink
            | ReasonId::Unreadable
            | ReasonId::DamagedFile
            | ReasonId::DoneWithout,
        ) => true,
        Some(_) | None => false,
    };
    let is_not_loaded =
        || input.trials.get(name, Mode::Main).is_some_and(|control| is_own_file_not_loaded(control, name));
    match file.filter(is_file_defect) {
        Some(file) if judgement.verdict == Verdict::Unknown && is_not_loaded() => file.clone(),
        Some(_) | None => judgement,
    }
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
    let fails_without_gil = mode.is_free_threaded() && trial.is_some_and(|trial| trial.outcome.is_failure());
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
        | TrialOutcome::BreaksIsolation { .. }
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

/// Whether the control found no file under this name, or only this one, which did not load.
fn is_own_file_not_loaded(control: &Trial, name: &str) -> bool {
    let is_not_found =
        control.outcome.error().is_some_and(|error| error.text == format!("No module named '{name}'"));
    is_not_found || control.loads.iter().any(|load| load.name == name && load.result != Some(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExtensionFileKind, InitKind, IsolationBreach, Refuser, RuleId};
    use crate::rules::judge_module;
    use crate::rules::test_evidence::*;

    /// Judges `till` with an own GIL: its control passes, this is its outcome.
    fn judged(outcome: TrialOutcome) -> Judgement {
        let trials = [imported("till", Mode::Main), trial("till", Mode::OwnGil, outcome)];
        let lamp = [imported("lamp", Mode::Main), trial("lamp", Mode::OwnGil, crashed(TrialPhase::Teardown))];
        let bulb = [imported("bulb", Mode::Main), trial("bulb", Mode::OwnGil, raised("ValueError", "dark"))];
        TestEvidence::new(trials.into_iter().chain(lamp).chain(bulb))
            .ask(|input| judge_name(input, "till", Mode::OwnGil))
    }

    #[test]
    fn an_outcome_decides_the_verdict_and_its_rule() {
        let ends = TrialPhase::AfterAnotherEnded;
        let after = TrialOutcome::Raised { place: ends, error: error("ValueError", "x"), suspect: None };
        let hangs = TrialOutcome::TimedOut { place: TrialPhase::Import, loading: None };
        let loses = TrialOutcome::LosesDescriptors { place: TrialPhase::Import, loading: None };
        let threads = TrialOutcome::LeftThreads { names: vec!["a".to_owned(), "b".to_owned()] };
        let breaks = |how| TrialOutcome::BreaksIsolation { how, place: TrialPhase::Import, module: None };
        let table = [
            (refused(Refuser::CPython, "till", ""), Verdict::Blocked, RuleId::Refused, "refused by CPython"),
            (
                refused(Refuser::Module, "till", "once"),
                Verdict::Blocked,
                RuleId::RefusesByItself,
                "refuses sub-interpreters by itself: once",
            ),
            (
                raised("ValueError", "x"),
                Verdict::Blocked,
                RuleId::Raises,
                "raises ValueError: x at import; cause not known",
            ),
            (
                after,
                Verdict::Unsafe,
                RuleId::Raises,
                "raises ValueError: x after another interpreter ended, though not before; cause not known",
            ),
            (crashed(TrialPhase::Import), Verdict::Unsafe, RuleId::Crashes, "crashes at import (SIGSEGV)"),
            (hangs, Verdict::Unsafe, RuleId::Hangs, "hangs at import"),
            (
                loses,
                Verdict::Unsafe,
                RuleId::LosesDescriptors,
                "closes or replaces file descriptors that are not its own at import",
            ),
            (
                threads,
                Verdict::Unsafe,
                RuleId::LeavesThreads,
                "leaves threads behind when its interpreter ends: a, b",
            ),
            (
                shares(None, 1),
                Verdict::Unsafe,
                RuleId::SharesObjects,
                "shares a dict (till.two -> dict) between interpreters",
            ),
            (
                breaks(IsolationBreach::EntersMain { thread: "pump".to_owned() }),
                Verdict::Unsafe,
                RuleId::EntersMain,
                "its C code runs in the main interpreter instead of its own (thread pump) at import",
            ),
            (
                breaks(IsolationBreach::ReplacesAllocator { domain: "PYMEM_DOMAIN_OBJ".to_owned() }),
                Verdict::Unsafe,
                RuleId::ReplacesAllocator,
                "replaces CPython's allocator for all interpreters (PYMEM_DOMAIN_OBJ) at import",
            ),
            (
                behind("lamp"),
                Verdict::Unsafe,
                RuleId::Crashes,
                "needs lamp, crashes when the interpreter ended (SIGSEGV)",
            ),
            (
                behind("bulb"),
                Verdict::Blocked,
                RuleId::Raises,
                "needs bulb, raises ValueError: dark at import; cause not known",
            ),
            (
                TrialOutcome::NotRun(NotRunReason::Shadowed(Some("x.py".to_owned()))),
                Verdict::Unknown,
                RuleId::LoadsAnotherFile,
                "importing its name loads x.py instead",
            ),
            (
                TrialOutcome::NotRun(NotRunReason::Shadowed(None)),
                Verdict::Unknown,
                RuleId::LoadsAnotherFile,
                "importing its name does not load this file",
            ),
            (because(ReasonId::ProbeFailed, "why"), Verdict::Unknown, RuleId::ProbeFailed, "why"),
        ];
        for (outcome, verdict, rule, reason) in table {
            assert_judged(&judged(outcome), verdict, rule, reason);
        }
        assert_judged(&judged(TrialOutcome::Imported), Verdict::Ready, None, "");
    }

    #[test]
    fn a_name_without_trials_is_judged_by_its_mode_or_declaration() {
        let mut evidence = TestEvidence::default();
        let judge = |evidence: &TestEvidence, mode| evidence.ask(|input| judge_name(input, "till", mode));
        assert_judged(&judge(&evidence, Mode::OwnGil), Verdict::Unknown, RuleId::NotTried, "was not tried");
        evidence = evidence.with_facts("till", facts(InitKind::SinglePhase, &[]));
        let refused = judge(&evidence, Mode::OwnGil);
        assert_judged(&refused, Verdict::Blocked, RuleId::Refused, "refused: single-phase initialisation");
        for (reason, verdict, rule) in [
            (ReasonId::NoTrials, Verdict::Blocked, RuleId::Refused),
            (ReasonId::NotCPython, Verdict::Unknown, RuleId::NotCPython),
        ] {
            evidence.no_trials.insert(Mode::OwnGil, Judgement::from_reason_id(reason, "no"));
            let judgement = judge(&evidence, Mode::OwnGil);
            assert_eq!((judgement.verdict, rule_of(&judgement)), (verdict, Some(rule)));
        }
        let control = TestEvidence::new([imported("till", Mode::Main)]);
        assert_judged(&judge(&control, Mode::OwnGil), Verdict::Unknown, RuleId::NotTried, "was not tried");
    }

    #[test]
    fn what_was_tried_is_not_judged_by_its_declaration() {
        let evidence = TestEvidence::new([
            trial("till", Mode::Main, raised("ValueError", "x")),
            imported("till", Mode::OwnGil),
        ])
        .with_facts("till", facts(InitKind::SinglePhase, &[]));
        let judgement = evidence.ask(|input| judge_name(input, "till", Mode::OwnGil));
        assert_eq!(rule_of(&judgement), Some(RuleId::FailsInControl));
    }

    #[test]
    fn a_failure_without_the_gil_is_judged_by_its_own_trial() {
        for (outcome, rule) in [
            (crashed(TrialPhase::Import), RuleId::Crashes),
            (TrialOutcome::Imported, RuleId::FailsInControl),
            (because(ReasonId::Killed, "killed"), RuleId::FailsInControl),
        ] {
            let evidence = TestEvidence::new([
                trial("till", Mode::Main, raised("ValueError", "x")),
                trial("till", Mode::FreeThreaded, outcome),
            ]);
            let judgement = evidence.ask(|input| judge_name(input, "till", Mode::FreeThreaded));
            assert_eq!(rule_of(&judgement), Some(rule));
        }
    }

    #[test]
    fn a_module_that_passes_speaks_for_its_package_only_where_the_package_s_own_trial_does_not() {
        let verdict = |own: Option<TrialOutcome>, within: &str| {
            let mode = Mode::FreeThreaded;
            let passed = Trial { after: Some("lamp".to_owned()), ..imported(within, mode) };
            let mut trials = vec![trial("shop", Mode::Main, raised("ImportError", "")), passed];
            trials.extend(own.map(|outcome| trial("shop", mode, outcome)));
            trials.push(trial("till", mode, crashed(TrialPhase::Import)));
            let judgement =
                TestEvidence::new(trials).free_threaded().ask(|input| judge_name(input, "shop", mode));
            (judgement.verdict, judgement.reason)
        };
        assert_eq!(verdict(None, "shop.shelf"), (Verdict::Ready, "needs lamp imported first".to_owned()));
        assert_ne!(verdict(None, "shopping").0, Verdict::Ready);
        assert_ne!(verdict(None, "other.shelf").0, Verdict::Ready);
        assert_ne!(verdict(Some(crashed(TrialPhase::Import)), "shop.shelf").0, Verdict::Ready);
        assert_ne!(verdict(Some(behind("till")), "shop.shelf").0, Verdict::Ready);
    }

    #[test]
    fn a_name_whose_only_file_is_defective_gets_the_file_s_judgement() {
        let missing = raised("ModuleNotFoundError", "No module named 'till'");
        let broken = with_loads(
            trial("till", Mode::Main, raised("ImportError", "x")),
            [load("main", "till", Err(error("ImportError", "x")))],
        );
        let other = trial("till", Mode::Main, raised("ImportError", "x"));
        let plain = [
            (ExtensionFileKind::PlainLibrary, RuleId::PlainLibrary),
            (ExtensionFileKind::OtherAbi, RuleId::OtherAbi),
        ];
        for (kind, rule) in plain {
            for (control, expected) in [
                (trial("till", Mode::Main, missing.clone()), rule),
                (broken.clone(), rule),
                (other.clone(), RuleId::FailsInControl),
            ] {
                let judgement = TestEvidence::new([control]).ask(|input| {
                    let own = judge_module(input, &file("till", kind.clone()), None, Mode::OwnGil);
                    judge_name_of_file(input, "till", Some(&own), Mode::OwnGil)
                });
                assert_eq!(rule_of(&judgement), Some(expected));
            }
        }
        let ready = Judgement::ready("");
        let evidence = TestEvidence::new([trial("till", Mode::Main, missing)]);
        let judgement = evidence.ask(|input| judge_name_of_file(input, "till", Some(&ready), Mode::OwnGil));
        assert_eq!(rule_of(&judgement), Some(RuleId::MissingModule));
        let both = TestEvidence::new([imported("till", Mode::Main), imported("till", Mode::OwnGil)]);
        let plain = Judgement::from_reason_id(ReasonId::PlainLibrary, "plain");
        let judgement = both.ask(|input| judge_name_of_file(input, "till", Some(&plain), Mode::OwnGil));
        assert_eq!(judgement.verdict, Verdict::Ready);
    }
}
