//! Judges extension modules that the import system does not load under the name of their file.

use std::collections::BTreeMap;

use super::VerdictInput;
use super::name_verdict::judge_name;
use crate::model::{ExtensionFile, Judgement, Mode, ReasonId, TrialOutcome, Verdict};

/// Judges a file that has init functions for other names only. If the control loaded it under each of these
/// names, the subjects that load it were tried with it, and the worst of their verdicts applies.
pub(super) fn judge_file_with_other_names(
    input: &VerdictInput<'_>,
    module: &ExtensionFile,
    functions: &[String],
    mode: Mode,
) -> Judgement {
    // The names under which it was loaded, each with the first subject that loaded it.
    let mut loaded: BTreeMap<&str, &str> = BTreeMap::new();
    let path = module.path.to_string_lossy();
    for trial in
        input.trials.trials_in_mode(Mode::Main).filter(|trial| trial.outcome == TrialOutcome::Imported)
    {
        for load in trial.successful_loads().filter(|load| load.path == path) {
            loaded.entry(&load.name).or_insert(&trial.subject);
        }
    }
    let is_loaded = |function: &&String| {
        let is_for = |name: &&str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            function.ends_with(&format!("_{last}"))
        };
        loaded.keys().any(is_for)
    };
    if let Some(function) = functions.iter().find(|function| !is_loaded(function)) {
        return Judgement::from_reason_id(
            ReasonId::OtherNames,
            format!(
                "it has {function} but no init function for its own name, and no trial loaded it under another name"
            ),
        );
    }
    let judgements = loaded.iter().map(|(loaded, subject)| {
        let judgement = judge_name(input, subject, mode);
        let reason = match judgement.reason.as_str() {
            "" => format!("loaded as {loaded} by {subject}"),
            reason => format!("loaded as {loaded} by {subject}: {reason}"),
        };
        Judgement { reason, ..judgement }
    });
    let untried = || Judgement::from_reason_id(ReasonId::NotTried, "was not tried");
    judgements.min_by_key(|judgement| judgement.verdict).unwrap_or_else(untried)
}

/// Judges a file in a zipped egg, whose stub unpacks it at import. A stub that fails to unpack it shows
/// nothing about the module.
pub(super) fn judge_file_behind_stub(
    input: &VerdictInput<'_>,
    module: &ExtensionFile,
    mode: Mode,
) -> Judgement {
    let judgement = judge_name(input, &module.name, mode);
    let loads = |mode| {
        input
            .trials
            .get(&module.name, mode)
            .is_some_and(|trial| trial.is_loaded_in_all_interpreters(&module.name))
    };
    match judgement.verdict {
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded => judgement,
        Verdict::Ready if loads(mode) => judgement,
        Verdict::Ready | Verdict::NotApplicable => {
            let why = match judgement.reason.as_str() {
                "" => "it was not loaded".to_owned(),
                reason => reason.to_owned(),
            };
            let reason =
                format!("in a zip file, whose stub for it could not be tried ({why}): unpack the egg");
            Judgement::from_reason_id(ReasonId::NotTried, reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExtensionFileKind, RuleId, Trial, TrialPhase};
    use crate::rules::test_evidence::*;

    fn loads_file(subject: &str, name: &str, mode: Mode, outcome: TrialOutcome) -> Trial {
        let loads = mode.interpreters().iter().map(|interpreter| {
            let load = load(interpreter, name, Ok(()));
            crate::model::ModuleLoad { path: "/site/till.so".to_owned(), ..load }
        });
        with_loads(trial(subject, mode, outcome), loads)
    }

    #[test]
    fn a_file_with_other_names_gets_the_worst_verdict_of_what_loads_it() {
        let module = file("till", ExtensionFileKind::PlainLibrary);
        let judged = |trials: Vec<Trial>, functions: &[&str]| {
            let functions: Vec<String> = functions.iter().map(|each| (*each).to_owned()).collect();
            TestEvidence::new(trials)
                .ask(|input| judge_file_with_other_names(input, &module, &functions, Mode::OwnGil))
        };
        let shop = |outcome| {
            vec![
                loads_file("shop", "shop.lamp", Mode::Main, TrialOutcome::Imported),
                loads_file("shop", "shop.lamp", Mode::OwnGil, outcome),
            ]
        };
        let no_load = "it has PyInit_lamp but no init function for its own name, and no trial loaded it under another \
                       name";
        assert_judged(&judged(vec![], &["PyInit_lamp"]), Verdict::Unknown, RuleId::OtherNames, no_load);
        assert_judged(&judged(vec![], &[]), Verdict::Unknown, RuleId::NotTried, "was not tried");
        assert_judged(
            &judged(shop(TrialOutcome::Imported), &["PyInit_lamp"]),
            Verdict::Ready,
            None,
            "loaded as shop.lamp by shop",
        );
        assert_judged(
            &judged(shop(crashed(TrialPhase::Import)), &["PyInit_lamp"]),
            Verdict::Unsafe,
            RuleId::Crashes,
            "loaded as shop.lamp by shop: crashes at import (SIGSEGV)",
        );
        let both = judged(shop(TrialOutcome::Imported), &["PyInit_lamp", "PyInit_bulb"]);
        assert_eq!(rule_of(&both), Some(RuleId::OtherNames));
        let failed = vec![loads_file("shop", "shop.lamp", Mode::Main, crashed(TrialPhase::Import))];
        assert_eq!(rule_of(&judged(failed, &["PyInit_lamp"])), Some(RuleId::OtherNames));
    }

    #[test]
    fn a_stub_that_loads_nothing_shows_nothing() {
        let module = file("till", ExtensionFileKind::Archived { has_stub: true });
        let judged = |own: Trial| {
            TestEvidence::new([imported("till", Mode::Main), own])
                .ask(|input| judge_file_behind_stub(input, &module, Mode::OwnGil))
        };
        let loaded = loads_file("till", "till", Mode::OwnGil, TrialOutcome::Imported);
        assert_judged(&judged(loaded), Verdict::Ready, None, "");
        let other = Trial { after: Some("lamp".to_owned()), ..imported("till", Mode::OwnGil) };
        for (own, why) in
            [(imported("till", Mode::OwnGil), "it was not loaded"), (other, "needs lamp imported first")]
        {
            let reason =
                format!("in a zip file, whose stub for it could not be tried ({why}): unpack the egg");
            assert_judged(&judged(own), Verdict::Unknown, RuleId::NotTried, &reason);
        }
        let crashes = judged(trial("till", Mode::OwnGil, crashed(TrialPhase::Import)));
        assert_eq!(rule_of(&crashes), Some(RuleId::Crashes));
    }
}
