//! Judges an import that passed in one mode: what it retains, and what it lost.

use std::collections::BTreeSet;

use wsgiaudit_probes_core::{interpreter_names, module_slots};

use super::free_threading::{judge_gil_activation, judge_missing_accelerators};
use super::{VerdictInput, messages};
use crate::model::{
    BinaryFacts, InitKind, IsolationDoubt, Judgement, LoadedModuleDef, Mode, ReasonId, RootCause, RuleId,
    SlotDeclaration, Trial, Verdict,
};

/// Judges an import that passed in this mode.
pub(super) fn judge_import(input: &VerdictInput<'_>, trial: &Trial, control: &Trial) -> Judgement {
    let contradicts = |facts: &&BinaryFacts| {
        let declares = matches!(
            facts.multiple_interpreters_slot(),
            SlotDeclaration::Value(2) | SlotDeclaration::Undetermined
        );
        let running = input.find_running_definition(&trial.subject, None);
        trial.mode == Mode::OwnGil
            && facts.initialisation != InitKind::Undetermined
            && !(declares || running.is_some_and(declares_own_gil))
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
    if let Some(judgement) = trial.doubts.iter().find_map(judge_doubt) {
        return judgement;
    }
    let lost = find_lost_modules(input, trial, control);
    let refused = trial.loads.iter().find_map(|load| {
        let error = load.result.as_ref()?.as_ref().err()?;
        lost.contains(&load.name).then_some((&load.name, error))
    });
    let Some(first) = refused.map(|(name, _)| name).or(lost.first()) else {
        let ready = || Judgement::ready(describe_import_order(trial));
        return judge_missing_accelerators(input, trial, control).unwrap_or_else(ready);
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
        rule: RuleId::LostAccelerator,
        module: first.clone(),
        chain: vec![trial.subject.clone(), first.clone()],
        what,
    };
    Judgement { lost, ..Judgement::from_evidence(Verdict::Degraded, Some(cause), reason) }
}

/// Judges by something that all interpreters have in common. `None` if that alone leaves no verdict open.
fn judge_doubt(doubt: &IsolationDoubt) -> Option<Judgement> {
    let reason = match doubt {
        IsolationDoubt::SharedLibrary { .. } => ReasonId::SharedLibrary,
        IsolationDoubt::SharedVariable { .. } => ReasonId::SharedVariable,
        IsolationDoubt::SignalHandler { .. } => ReasonId::HandlesSignals,
        IsolationDoubt::SharedFunction { .. } | IsolationDoubt::ProcessState(_) => return None,
    };
    Some(Judgement::from_reason_id(reason, messages::describe_doubt(doubt)))
}

/// Whether a module declares at run time that it supports an own GIL.
fn declares_own_gil(running: &LoadedModuleDef) -> bool {
    running
        .slots
        .iter()
        .any(|(id, value)| module_slots::MULTIPLE_INTERPRETERS.contains(id) && *value == Some(2))
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
        let is_loaded_in_main = trial
            .successful_loads()
            .any(|load| load.interpreter == interpreter_names::MAIN && load.name == name);
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
    trial.successful_loads().any(|load| load.name == name && interpreter_names::is_first(&load.interpreter))
}

/// Names the module that had to be imported first. Empty if there is none.
fn describe_import_order(trial: &Trial) -> String {
    trial.after.as_ref().map(|sibling| format!("needs {sibling} imported first")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::test_evidence::*;

    fn judged(evidence: &TestEvidence, mode: Mode) -> Judgement {
        evidence.ask(|input| {
            let trials = input.trials;
            judge_import(input, trials.get("till", mode).unwrap(), trials.get("till", Mode::Main).unwrap())
        })
    }

    fn both(control: Trial, own: Trial) -> TestEvidence {
        TestEvidence::new([control, own])
    }

    #[test]
    fn a_declaration_at_run_time_in_either_numbering_explains_an_accepted_module() {
        let said = "CPython accepted it although its file says no slot 3: report this to wsgiaudit";
        let refused = Some(RuleId::DeclarationContradicted);
        for (slots, rule) in [
            (vec![], refused),
            (vec![(3, Some(2))], None),
            (vec![(86, Some(2))], None),
            (vec![(86, Some(1))], refused),
            (vec![(86, None)], refused),
            (vec![(4, Some(2))], refused),
            (vec![(87, Some(2))], refused),
        ] {
            let control =
                with_loads(imported("till", Mode::Main), [declaring(load("main", "till", Ok(())), &slots)]);
            let own = with_loads(
                imported("till", Mode::OwnGil),
                ["A", "B", "C"].map(|each| load(each, "till", Ok(()))),
            );
            let evidence = both(control, own).with_facts("till", facts(InitKind::MultiPhase, &[]));
            let judgement = judged(&evidence, Mode::OwnGil);
            assert_eq!(rule_of(&judgement), rule, "{slots:?}");
            assert_eq!(judgement.reason, if rule.is_some() { said } else { "" }, "{slots:?}");
        }
    }

    #[test]
    fn only_a_readable_declaration_against_an_own_gil_is_contradicted() {
        for (facts, mode, is_contradicted) in [
            (facts(InitKind::MultiPhase, &[]), Mode::OwnGil, true),
            (facts(InitKind::SinglePhase, &[]), Mode::OwnGil, true),
            (facts(InitKind::MultiPhase, &[]), Mode::SharedGil, false),
            (facts(InitKind::MultiPhase, &[(3, 2)]), Mode::OwnGil, false),
            (facts(InitKind::MultiPhase, &[(86, 2)]), Mode::OwnGil, false),
            (facts(InitKind::MultiPhase, &[(3, 1)]), Mode::OwnGil, true),
            (facts(InitKind::Undetermined, &[]), Mode::OwnGil, false),
            (BinaryFacts { slots: None, ..facts(InitKind::MultiPhase, &[]) }, Mode::OwnGil, false),
        ] {
            let evidence = both(imported("till", Mode::Main), imported("till", mode));
            let rule = rule_of(&judged(&evidence.with_facts("till", facts.clone()), mode));
            let expected = is_contradicted.then_some(RuleId::DeclarationContradicted);
            assert_eq!(rule, expected, "{facts:?} in {mode}");
        }
    }

    #[test]
    fn retained_objects_leave_the_verdict_open() {
        let own =
            Trial { kept: vec![shared_object(None), shared_object(None)], ..imported("till", Mode::OwnGil) };
        assert_judged(
            &judged(&both(imported("till", Mode::Main), own), Mode::OwnGil),
            Verdict::Unknown,
            RuleId::KeepsObjects,
            "keeps a dict (till.two -> dict) and 1 more of one interpreter for all: no use by another was observed",
        );
    }

    #[test]
    fn what_interpreters_have_in_common_leaves_the_verdict_open() {
        let names = || ("kept".to_owned(), "_user.so".to_owned(), "_core.so".to_owned());
        let library = |module: Option<&str>, is_copy| IsolationDoubt::SharedLibrary {
            file: "/site/libx.so".to_owned(),
            module: module.map(str::to_owned),
            is_copy,
        };
        let (symbol, user, owner) = names();
        let variable = IsolationDoubt::SharedVariable { symbol, user, owner };
        let (symbol, user, owner) = names();
        let function = IsolationDoubt::SharedFunction { symbol, user, owner };
        for (doubt, rule, reason) in [
            (
                library(Some("till"), false),
                Some(RuleId::SharedLibrary),
                "all interpreters share the library /site/libx.so, loaded by till: it has no private copies",
            ),
            (
                library(None, true),
                Some(RuleId::SharedLibrary),
                "all interpreters share the first one's private copy of /site/libx.so",
            ),
            (
                variable,
                Some(RuleId::SharedVariable),
                "the copies of _user.so use the variable kept of one interpreter's copy of _core.so",
            ),
            (
                IsolationDoubt::SignalHandler { signal: 12, file: Some("till.so".to_owned()) },
                Some(RuleId::HandlesSignals),
                "installs a handler in till.so for signal 12, which every thread of the process may run",
            ),
            (function, None, ""),
            (IsolationDoubt::ProcessState("the locale".to_owned()), None, ""),
        ] {
            let own = Trial { doubts: vec![doubt], ..imported("till", Mode::OwnGilCopies) };
            let judgement = judged(&both(imported("till", Mode::Main), own), Mode::OwnGilCopies);
            let verdict = if rule.is_some() { Verdict::Unknown } else { Verdict::Ready };
            assert_judged(&judgement, verdict, rule, reason);
        }
    }

    #[test]
    fn the_gil_decides_only_in_free_threaded_modes() {
        for (mode, rule) in [(Mode::OwnGil, None), (Mode::FreeThreaded, Some(RuleId::SwitchesGilOn))] {
            let loads = mode.interpreters().iter().map(|each| load(each, "till", Ok(())));
            let own = with_loads(imported("till", mode), loads);
            let evidence = both(imported("till", Mode::Main), own)
                .with_facts("till", facts(InitKind::MultiPhase, &[(3, 2)]));
            assert_eq!(rule_of(&judged(&evidence, mode)), rule);
        }
    }

    #[test]
    fn a_module_that_only_the_control_loads_is_lost() {
        let in_control = |names: &[&str]| {
            let loads: Vec<_> = names.iter().map(|name| load("main", name, Ok(()))).collect();
            with_loads(imported("till", Mode::Main), loads)
        };
        let not_found = || error("ImportError", "no");
        let table = [
            (vec!["till._a"], vec![], "imports without till._a, not loaded"),
            (
                vec!["till._a"],
                vec![load("A", "till._a", Ok(()))],
                "imports without till._a, loaded by the first interpreter only",
            ),
            (vec!["till._a"], vec![load("B", "till._a", Ok(()))], "imports without till._a, not loaded"),
            (vec!["till._a"], ["A", "B", "C"].map(|each| load(each, "till._a", Ok(()))).to_vec(), ""),
            (
                vec!["till._a"],
                vec![load("A", "till._a", Err(not_found()))],
                "imports without till._a, ImportError: no",
            ),
            (
                vec!["till._a", "till._b", "till._c"],
                vec![load("A", "till._b", Err(not_found()))],
                "imports without till._b and 2 more, ImportError: no",
            ),
            (vec![], vec![load("A", "till._a", Err(not_found()))], ""),
        ];
        for (names, loads, reason) in table {
            let evidence = both(in_control(&names), with_loads(imported("till", Mode::OwnGil), loads));
            let judgement = judged(&evidence, Mode::OwnGil);
            let (verdict, rule) = match reason.is_empty() {
                true => (Verdict::Ready, None),
                false => (Verdict::Degraded, Some(RuleId::LostAccelerator)),
            };
            assert_judged(&judgement, verdict, rule, reason);
            assert_eq!(judgement.lost, if reason.is_empty() { Vec::new() } else { names });
        }
    }

    #[test]
    fn a_module_in_the_main_interpreter_is_usable_if_all_that_refer_to_it_do() {
        let held = |holders: &[&str]| {
            let holders = holders.iter().map(|each| (*each).to_owned()).collect();
            [("till._a".to_owned(), holders)].into()
        };
        for (there, here, is_ready) in [
            (vec!["till"], vec!["till"], true),
            (vec!["till"], vec!["till", "lamp"], true),
            (vec!["till", "lamp"], vec!["till"], false),
        ] {
            let loads = [load("main", "till._a", Ok(()))];
            let control = with_loads(imported("till", Mode::Main), loads.clone());
            let own = with_loads(imported("till", Mode::OwnGil), loads);
            let evidence = both(Trial { held: held(&there), ..control }, Trial { held: held(&here), ..own });
            assert_eq!(judged(&evidence, Mode::OwnGil).verdict == Verdict::Ready, is_ready);
        }
    }

    #[test]
    fn a_trial_that_covers_several_subjects_is_compared_with_its_own_control() {
        let through = |trial: Trial, subject: &str| Trial { through: Some(subject.to_owned()), ..trial };
        let loads = [load("main", "till._a", Ok(()))];
        let control = with_loads(imported("till", Mode::Main), loads.clone());
        // The control was covered by another subject, which loads more: only failed loads count.
        let covered = through(control.clone(), "shop");
        assert_eq!(
            judged(&both(covered.clone(), imported("till", Mode::OwnGil)), Mode::OwnGil).verdict,
            Verdict::Ready
        );
        let failed = with_loads(
            imported("till", Mode::OwnGil),
            [load("A", "till._a", Err(error("ImportError", "no")))],
        );
        assert_eq!(judged(&both(covered, failed), Mode::OwnGil).verdict, Verdict::Degraded);
        // The trial was covered by `shop`, whose control loads nothing.
        let own = through(imported("till", Mode::OwnGil), "shop");
        let evidence = TestEvidence::new([control.clone(), own.clone(), imported("shop", Mode::Main)]);
        assert_eq!(judged(&evidence, Mode::OwnGil).verdict, Verdict::Ready);
        assert_eq!(judged(&both(control, own), Mode::OwnGil).verdict, Verdict::Degraded);
    }

    #[test]
    fn the_import_order_is_named() {
        let own = Trial { after: Some("lamp".to_owned()), ..imported("till", Mode::OwnGil) };
        let judgement = judged(&both(imported("till", Mode::Main), own), Mode::OwnGil);
        assert_judged(&judgement, Verdict::Ready, None, "needs lamp imported first");
    }
}
