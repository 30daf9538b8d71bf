//! Files that the import system does not load by their own names.

use std::collections::BTreeMap;

use super::VerdictInput;
use super::module_verdict::judge_name;
use crate::model::{ExtensionFile, Judgement, Mode, ReasonId, TrialOutcome, Verdict};

/// A file with init functions for other names. Where the control was seen to load it under each of them, what loads it has
/// been tried with it.
pub(super) fn judge_file_with_other_names(
    case: &VerdictInput<'_>,
    module: &ExtensionFile,
    functions: &[String],
    mode: Mode,
) -> Judgement {
    // What it was loaded as, each with the first subject that did.
    let mut loaded: BTreeMap<&str, &str> = BTreeMap::new();
    let path = module.path.to_string_lossy();
    for trial in
        case.trials.trials_in_mode(Mode::Main).filter(|trial| trial.outcome == TrialOutcome::Imported)
    {
        for load in trial.successful_loads().filter(|load| load.path == path) {
            loaded.entry(&load.name).or_insert(&trial.subject);
        }
    }
    let is_loaded = |function: &&String| {
        let of = |name: &&str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            function.ends_with(&format!("_{last}"))
        };
        loaded.keys().any(of)
    };
    if let Some(function) = functions.iter().find(|function| !is_loaded(function)) {
        return Judgement::from_reason_id(
            ReasonId::OtherNames,
            format!(
                "it has {function}, and no init function for its own name: nothing that was tried loads it under \
                 another one"
            ),
        );
    }
    let judgements = loaded.iter().map(|(loaded, subject)| {
        let judgement = judge_name(case, subject, mode);
        let reason = match judgement.reason.as_str() {
            "" => format!("loaded as {loaded} by {subject}"),
            reason => format!("loaded as {loaded} by {subject}: {reason}"),
        };
        Judgement { reason, ..judgement }
    });
    let none = || Judgement::from_reason_id(ReasonId::NotTried, "was not tried");
    judgements.min_by_key(|judgement| judgement.verdict).unwrap_or_else(none)
}

/// A file in an egg, whose stub unpacks it at import. What keeps the stub from that is no evidence.
pub(super) fn judge_file_behind_stub(
    case: &VerdictInput<'_>,
    module: &ExtensionFile,
    mode: Mode,
) -> Judgement {
    let judgement = judge_name(case, &module.name, mode);
    let loads = |mode| {
        case.trials
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
