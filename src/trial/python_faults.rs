//! Faults of Python itself: modules of its standard library that crash in sub-interpreters without any
//! distribution.
//!
//! On a sound Python this takes one stress test. If a subject or the stress test crashes, all modules of the
//! standard library that subjects import are tried in one batch. If that crashes too, each module is tried
//! alone: first those in C, then, if they do not explain every crash, the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use wsgiaudit_probes_core::protocol::{Scenario, TrialEvent};

use super::attempt::Attempt;
use super::config::TrialConfig;
use super::interpret::interpret_attempt;
use super::parallel::run_in_parallel;
use super::session::TrialSession;
use super::trials::{TrialSubject, Trials};
use crate::model::{Mode, Trial, TrialOutcome, TrialPhase};

/// The modes in which faults are searched, with their scenarios.
///
/// Private copies change nothing about the standard library, so faults with an own GIL count there, too.
const SEARCHED_MODES: [(Mode, Scenario); 2] =
    [(Mode::SharedGil, Scenario::SharedGil), (Mode::OwnGil, Scenario::OwnGil)];

/// Returns trials of standard library modules that crash alone, without those that import another such
/// module.
pub(super) fn find_faults(config: &TrialConfig<'_>, trials: &Trials, modes: &[Mode]) -> Trials {
    let controls = trials.trials_in_mode(Mode::Main).filter(|trial| trial.outcome.has_passed());
    let used: BTreeSet<&str> = controls.flat_map(|trial| trial.standard.iter()).map(String::as_str).collect();
    let scenarios: Vec<_> = SEARCHED_MODES.into_iter().filter(|(mode, _)| modes.contains(mode)).collect();
    if used.is_empty() {
        return Trials::default();
    }
    run_in_parallel(config, &scenarios, |session, (mode, scenario)| {
        let mut search = FaultSearch { session, mode: *mode, used: &used, failing: Vec::new() };
        search.find_failing_modules(*scenario, trials);
        search.into_root_faults().into_iter().collect()
    })
}

/// Attributes crashes of subjects to the faults of Python, where a subject imports a faulty module.
pub(super) fn attribute_faults(trials: &mut Trials, faults: Trials) {
    let faults: Vec<Arc<Trial>> = SEARCHED_MODES
        .iter()
        .flat_map(|(mode, _)| faults.trials_in_mode(*mode).cloned().map(Arc::new).collect::<Vec<_>>())
        .collect();
    let blamed: Vec<Trial> = faults
        .iter()
        .flat_map(|fault| {
            trials
                .trials_in_mode(fault.mode)
                .filter_map(|trial| attribute_trial(trial, fault, trials))
                .collect::<Vec<_>>()
        })
        .collect();
    // If several faults explain a trial, the last one is kept: any of them is sufficient.
    blamed.into_iter().for_each(|trial| trials.add_trial(trial));
    trials.add_python_faults(faults);
}

/// The trial with this fault as its cause, if the fault explains it.
fn attribute_trial(trial: &Trial, fault: &Arc<Trial>, trials: &Trials) -> Option<Trial> {
    let python = explains_trial(fault, trial, trials).then(|| Arc::clone(fault))?;
    if !trial.outcome.has_passed() {
        return Some(Trial { python: Some(python), ..trial.clone() });
    }
    // It passed by luck, or had no stress test of its own.
    let (outcome, crash) = (fault.outcome.clone(), fault.crash.clone());
    Some(Trial { outcome, crash, python: Some(python), ..trial.clone() })
}

/// Whether this fault is sufficient for a trial's outcome, or would be for a trial that passed.
///
/// A trial that failed in an earlier phase than the fault has another cause.
fn explains_trial(fault: &Trial, trial: &Trial, trials: &Trials) -> bool {
    let imports = |control: &Trial| control.standard.contains(&fault.subject);
    let is_in_time = |(fault, own): (TrialPhase, TrialPhase)| phase_order(fault) <= phase_order(own);
    let could_be = trial.outcome.has_passed()
        || death_phase(&fault.outcome).zip(death_phase(&trial.outcome)).is_some_and(is_in_time);
    could_be && trials.get(&trial.subject, Mode::Main).is_some_and(imports)
}

/// The phase in which a process crashed or hung.
fn death_phase(outcome: &TrialOutcome) -> Option<TrialPhase> {
    if let TrialOutcome::Crashed { place, .. } | TrialOutcome::TimedOut { place, .. } = outcome {
        Some(*place)
    } else {
        None
    }
}

/// Order of the phases in a trial. Phases around the end of an interpreter have the same rank, since both
/// orders occur.
fn phase_order(phase: TrialPhase) -> u8 {
    match phase {
        TrialPhase::Startup => 0,
        TrialPhase::Import => 1,
        TrialPhase::SecondInterpreter => 2,
        TrialPhase::Teardown | TrialPhase::UseAfterEnd | TrialPhase::AfterAnotherEnded => 3,
        TrialPhase::Exit => 4,
        TrialPhase::Call => 5,
        TrialPhase::Storm => 6,
    }
}

/// Searches for faults in one mode.
struct FaultSearch<'d, 'w, 'u> {
    session: &'d mut TrialSession<'w>,
    mode: Mode,
    used: &'u BTreeSet<&'u str>,
    /// Trials of modules that crash alone.
    failing: Vec<Trial>,
}

impl<'u> FaultSearch<'_, '_, 'u> {
    /// Searches for modules that crash, as described at the top of this file.
    fn find_failing_modules(&mut self, scenario: Scenario, trials: &Trials) {
        if self.mode == Mode::OwnGil {
            self.find_stress_test_failures(trials);
        }
        // No further search is needed: each subject's own trial covers every order in which interpreters end.
        if self.explains_all(trials) {
            return;
        }
        let all: Vec<&'u str> = self.used.iter().copied().collect();
        let Ok(together) = self.session.run_cached_batch(scenario, &all) else { return };
        if !is_crash(&self.interpret_attempt("", &together).outcome) {
            return;
        }
        let in_c = self.compiled_modules(&together);
        in_c.iter().for_each(|name| self.try_alone(scenario, name));
        if self.explains_all(trials) {
            return;
        }
        let others: Vec<&str> =
            all.into_iter().filter(|name| !name.contains('.') && !in_c.contains(name)).collect();
        others.into_iter().for_each(|name| self.try_alone(scenario, name));
    }

    /// Whether each subject that crashed in this mode imports a faulty module that explains the crash.
    fn explains_all(&self, trials: &Trials) -> bool {
        let is_explained =
            |trial: &Trial| self.failing.iter().any(|fault| explains_trial(fault, trial, trials));
        trials.trials_in_mode(self.mode).filter(|trial| is_crash(&trial.outcome)).all(is_explained)
    }

    /// Runs a stress test with all modules in C, judged by their names, that passed trials imported.
    ///
    /// Names without extension modules get no stress test of their own.
    fn find_stress_test_failures(&mut self, trials: &Trials) {
        let passing = trials.trials_in_mode(self.mode).filter(|trial| trial.outcome.has_passed());
        let imported: BTreeSet<&str> = passing
            .flat_map(|trial| trial.standard.iter())
            .map(String::as_str)
            .filter(|name| is_private_module(name))
            .collect();
        let names: Vec<&str> = imported.into_iter().collect();
        if names.is_empty() {
            return;
        }
        let Ok(stressed) = self.session.run_cached_batch(Scenario::OwnGilStorm, &names) else { return };
        if is_crash(&self.interpret_attempt("", &stressed).outcome)
            && self.session.survives_empty_stress_test()
        {
            names.iter().for_each(|name| self.try_alone(Scenario::OwnGilStorm, name));
        }
    }

    /// Tries a module alone, and records its trial if it crashes. It does not replace a crash that was found
    /// without a stress test.
    fn try_alone(&mut self, scenario: Scenario, name: &str) {
        let is_known = self
            .failing
            .iter()
            .any(|trial| trial.subject == name && death_phase(&trial.outcome) != Some(TrialPhase::Storm));
        let Ok(attempt) = self.session.run_trial(scenario, &[], name) else { return };
        let trial = self.interpret_attempt(name, &attempt);
        if is_crash(&trial.outcome) && !is_known {
            self.failing.retain(|trial| trial.subject != name);
            self.failing.push(trial);
        }
    }

    /// Keeps the faulty modules that import no other faulty module.
    fn into_root_faults(self) -> Vec<Trial> {
        let names: BTreeSet<String> = self.failing.iter().map(|trial| trial.subject.clone()).collect();
        let is_root =
            |trial: &Trial| !trial.standard.iter().any(|name| *name != trial.subject && names.contains(name));
        self.failing.into_iter().filter(is_root).collect()
    }

    /// Extension modules, and modules that may be built into the interpreter, judged by their names.
    fn compiled_modules(&self, together: &Attempt) -> Vec<&'u str> {
        let loaded: BTreeSet<&str> = together
            .events
            .iter()
            .filter_map(
                |event| if let TrialEvent::Loading { name, .. } = event { Some(name.as_str()) } else { None },
            )
            .collect();
        self.used.iter().copied().filter(|name| loaded.contains(name) || is_private_module(name)).collect()
    }

    fn interpret_attempt(&self, name: &str, attempt: &Attempt) -> Trial {
        interpret_attempt(self.mode, &TrialSubject::from_name(name.to_owned()), attempt, &BTreeSet::new())
    }
}

/// Whether the process crashed. A hang does not count: it may only have needed more time.
fn is_crash(outcome: &TrialOutcome) -> bool {
    matches!(outcome, TrialOutcome::Crashed { .. })
}

/// Whether the name has the form of a module in C, such as `_json`.
fn is_private_module(name: &str) -> bool {
    name.starts_with('_') && !name.contains('.')
}
