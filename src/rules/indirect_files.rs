//! Judges extension modules that the import system does not load under the name of their file.

use std::collections::BTreeMap;

use super::VerdictInput;
use super::module_verdict::judge_name;
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
