//! Traces a failure to its root cause: the module that failed, and the chain of imports that leads to it.

use std::path::Path;

use super::{VerdictInput, messages};
use crate::model::{
    IsolationBreach, Mode, ModuleLoad, NotRunReason, Refuser, RootCause, RuleId, Trial, TrialOutcome,
    TrialPhase,
};

/// A failure and its root cause.
pub(super) struct TracedFailure<'a> {
    /// The trial in which it happened.
    pub(super) trial: &'a Trial,
    /// Its root cause.
    pub(super) cause: RootCause,
}

/// Traces the failure of a subject in a mode. Returns `None` if it did not fail, or if the cause cannot be
/// traced.
pub(super) fn trace_failure<'a>(
    input: &'a VerdictInput<'_>,
    name: &str,
    mode: Mode,
) -> Option<TracedFailure<'a>> {
    let mut imports = vec![name.to_owned()];
    let mut trial = input.trials.get(name, mode)?;
    while let TrialOutcome::NotRun(NotRunReason::Behind(other)) = &trial.outcome {
        if imports.contains(other) {
            return None;
        }
        imports.push(other.clone());
        trial = input.trials.get(other, mode)?;
    }
    if let Some(fault) = &trial.python {
        imports.push(trial.subject.clone());
        imports.push(fault.subject.clone());
        let what = messages::describe_python_fault(fault);
        let (module, chain) = (fault.subject.clone(), keep_last_occurrences(imports));
        return Some(TracedFailure {
            trial,
            cause: RootCause { rule: RuleId::PythonDefect, module, chain, what },
        });
    }
    let (module, chain) = match &trial.outcome {
        TrialOutcome::Refused { module, error, .. } => (module.clone(), error.chain.clone()),
        TrialOutcome::Raised { suspect, error, .. } => {
            let module = suspect.clone().unwrap_or_else(|| trial.subject.clone());
            (module, error.chain.clone())
        }
        TrialOutcome::Crashed { place, loading, .. } | TrialOutcome::TimedOut { place, loading } => {
            (find_culprit(trial, *place, loading.as_ref()), Vec::new())
        }
        TrialOutcome::Shares { objects, .. } => {
            let owner = objects.iter().find_map(|object| object.module.clone());
            (owner.unwrap_or_else(|| trial.subject.clone()), Vec::new())
        }
        TrialOutcome::BreaksIsolation { module: loading, .. }
        | TrialOutcome::LosesDescriptors { loading, .. } => {
            (loading.clone().unwrap_or_else(|| trial.subject.clone()), Vec::new())
        }
        TrialOutcome::LeftThreads { .. } => (trial.subject.clone(), Vec::new()),
        TrialOutcome::Imported | TrialOutcome::NotRun(_) => return None,
    };
    imports.extend(chain);
    imports.push(module.clone());
    let what = messages::describe_failure(trial, input.facts.get(module.as_str()).copied());
    let rule = rule_of_outcome(&trial.outcome)?;
    Some(TracedFailure {
        trial,
        cause: RootCause { rule, module, chain: keep_last_occurrences(imports), what },
    })
}

/// Returns the rule that reports an outcome. `None` for outcomes that are no failure.
fn rule_of_outcome(outcome: &TrialOutcome) -> Option<RuleId> {
    Some(match outcome {
        TrialOutcome::Refused { by: Refuser::CPython, .. } => RuleId::Refused,
        TrialOutcome::Refused { by: Refuser::Module, .. } => RuleId::RefusesByItself,
        TrialOutcome::Raised { .. } => RuleId::Raises,
        TrialOutcome::Crashed { .. } => RuleId::Crashes,
        TrialOutcome::TimedOut { .. } => RuleId::Hangs,
        TrialOutcome::LosesDescriptors { .. } => RuleId::LosesDescriptors,
        TrialOutcome::LeftThreads { .. } => RuleId::LeavesThreads,
        TrialOutcome::Shares { .. } => RuleId::SharesObjects,
        TrialOutcome::BreaksIsolation { how, .. } => match how {
            IsolationBreach::EntersMain { .. } => RuleId::EntersMain,
            IsolationBreach::ReplacesAllocator { .. } => RuleId::ReplacesAllocator,
        },
        TrialOutcome::Imported | TrialOutcome::NotRun(_) => return None,
    })
}

/// Returns the extension module whose file contains the faulting instruction.
fn module_at_crash_site(trial: &Trial) -> Option<&String> {
    let object = &trial.crash.as_ref()?.site.as_ref()?.object;
    let is_it =
        |load: &&ModuleLoad| Path::new(&load.path).file_name().is_some_and(|name| name == object.as_str());
    trial.loads.iter().find(is_it).map(|load| &load.name)
}

/// Returns the module that a crash or a timeout is attributed to: the one that was being loaded, otherwise
/// the subject.
fn find_culprit(trial: &Trial, phase: TrialPhase, loading: Option<&String>) -> String {
    match phase {
        // Several threads load modules at the same time, or all are loaded. The faulting instruction is better
        // evidence.
        TrialPhase::Storm | TrialPhase::Call => module_at_crash_site(trial).or(loading),
        TrialPhase::Import
        | TrialPhase::SecondInterpreter
        | TrialPhase::UseAfterEnd
        | TrialPhase::AfterAnotherEnded => loading,
        TrialPhase::Startup | TrialPhase::Teardown | TrialPhase::Exit => None,
    }
    .unwrap_or(&trial.subject)
    .clone()
}

/// Removes repeated names from a chain of imports and keeps the last occurrence of each.
pub(super) fn keep_last_occurrences(chain: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for name in chain {
        seen.retain(|each| *each != name);
        seen.push(name);
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AbnormalExit, CrashLocation, CrashReport, InitKind};
    use crate::rules::test_evidence::*;

    fn cause(trials: Vec<Trial>) -> Option<RootCause> {
        TestEvidence::new(trials)
            .with_facts("lamp", facts(InitKind::SinglePhase, &[]))
            .ask(|input| Some(trace_failure(input, "till", Mode::OwnGil)?.cause))
    }

    #[test]
    fn the_chain_leads_to_the_module_that_failed() {
        let mut refusal = refused(Refuser::CPython, "lamp", "");
        if let TrialOutcome::Refused { error, .. } = &mut refusal {
            error.chain = ["till", "shop", "till"].map(str::to_owned).to_vec();
        }
        let own = |outcome| trial("till", Mode::OwnGil, outcome);
        let found = cause(vec![own(refusal)]).unwrap();
        assert_eq!((found.module.as_str(), found.rule), ("lamp", RuleId::Refused));
        assert_eq!(found.chain, ["shop", "till", "lamp"]);
        assert_eq!(found.what, "refused: single-phase initialisation");
        let through = [own(behind("shop")), trial("shop", Mode::OwnGil, behind("lamp"))];
        let lamp = trial("lamp", Mode::OwnGil, crashed(TrialPhase::Import));
        let found = cause(through.iter().cloned().chain([lamp]).collect()).unwrap();
        assert_eq!((found.module.as_str(), found.rule), ("lamp", RuleId::Crashes));
        assert_eq!(found.chain, ["till", "shop", "lamp"]);
        assert_eq!(cause(through.to_vec()), None);
        assert_eq!(cause(vec![own(behind("till"))]), None);
        assert_eq!(cause(vec![own(TrialOutcome::Imported)]), None);
    }

    #[test]
    fn a_defect_of_python_is_the_cause_for_what_shows_it() {
        let fault = trial("_datetime", Mode::OwnGil, crashed(TrialPhase::Teardown));
        let own = Trial {
            python: Some(fault.into()),
            ..trial("till", Mode::OwnGil, crashed(TrialPhase::Teardown))
        };
        let found = cause(vec![own]).unwrap();
        assert_eq!((found.module.as_str(), found.rule), ("_datetime", RuleId::PythonDefect));
        assert_eq!(found.chain, ["till", "_datetime"]);
        assert_eq!(found.what, "a defect of this Python: crashes when the interpreter ended (SIGSEGV)");
    }

    #[test]
    fn an_outcome_names_its_module() {
        let lamp = || Some("lamp".to_owned());
        let place = TrialPhase::Import;
        let enters_main = |module| TrialOutcome::BreaksIsolation {
            how: IsolationBreach::EntersMain { thread: "pump".to_owned() },
            place,
            module,
        };
        let crash = |place, loading| TrialOutcome::Crashed { how: AbnormalExit::Signal(11), place, loading };
        for (outcome, module) in [
            (TrialOutcome::Raised { place, error: error("ValueError", "x"), suspect: lamp() }, "lamp"),
            (raised("ValueError", "x"), "till"),
            (crash(place, lamp()), "lamp"),
            (crash(TrialPhase::SecondInterpreter, lamp()), "lamp"),
            (crash(TrialPhase::UseAfterEnd, lamp()), "lamp"),
            (crash(TrialPhase::AfterAnotherEnded, lamp()), "lamp"),
            (crash(TrialPhase::Storm, lamp()), "lamp"),
            (crash(TrialPhase::Startup, lamp()), "till"),
            (crash(TrialPhase::Teardown, lamp()), "till"),
            (crash(TrialPhase::Exit, lamp()), "till"),
            (crash(place, None), "till"),
            (TrialOutcome::TimedOut { place, loading: lamp() }, "lamp"),
            (TrialOutcome::LosesDescriptors { place, loading: lamp() }, "lamp"),
            (TrialOutcome::LosesDescriptors { place, loading: None }, "till"),
            (TrialOutcome::LeftThreads { names: vec![] }, "till"),
            (enters_main(lamp()), "lamp"),
            (enters_main(None), "till"),
            (shares(Some("lamp"), 1), "lamp"),
            (shares(None, 1), "till"),
        ] {
            let shown = format!("{outcome:?}");
            assert_eq!(cause(vec![trial("till", Mode::OwnGil, outcome)]).unwrap().module, module, "{shown}");
        }
    }

    #[test]
    fn among_threads_the_faulting_instruction_names_the_module() {
        let culprit = |place, object: &str| {
            let site = CrashLocation { object: object.to_owned(), symbol: None, offset: 0 };
            let crash = CrashReport { address: None, site: Some(site), stack: String::new() };
            let loading = Some("lamp".to_owned());
            let outcome = TrialOutcome::Crashed { how: AbnormalExit::Signal(11), place, loading };
            let own = Trial { crash: Some(crash), ..trial("till", Mode::OwnGil, outcome) };
            cause(vec![with_loads(own, [load("A", "shop.bulb", Ok(()))])]).unwrap().module
        };
        assert_eq!(culprit(TrialPhase::Storm, "bulb.so"), "shop.bulb");
        assert_eq!(culprit(TrialPhase::Storm, "other.so"), "lamp");
        assert_eq!(culprit(TrialPhase::Import, "bulb.so"), "lamp");
    }
}
