//! Converts trials and judgements to their form in the document.

use std::collections::BTreeMap;

use super::v1::{Cause, Crash, FailedLoad, Judged, Outcome, Tried};
use crate::model::{
    CrashReport, IsolationBreach, Judgement, Mode, ModuleLoad, NotRunReason, Trial, TrialOutcome,
};

/// Converts the judgements of a subject, each with the outcome of its trial, if there was one.
pub(super) fn convert_modes(
    judgements: &BTreeMap<Mode, Judgement>,
    trials: &BTreeMap<Mode, Trial>,
) -> BTreeMap<Mode, Tried> {
    let tried = |(mode, judgement): (&Mode, &Judgement)| {
        let outcome = trials.get(mode).map(convert_outcome);
        (*mode, Tried { outcome, judged: convert_judgement(judgement) })
    };
    judgements.iter().map(tried).collect()
}

/// Converts a judgement.
pub(super) fn convert_judgement(judgement: &Judgement) -> Judged {
    Judged {
        verdict: judgement.verdict,
        reason: judgement.reason.clone(),
        reason_id: judgement.reason_id.map(|reason| reason.id().to_owned()),
        cause: judgement.cause.as_ref().map(|cause| Cause {
            rule: cause.rule.id().to_owned(),
            module: cause.module.clone(),
            chain: cause.chain.clone(),
            what: cause.what.clone(),
        }),
        lost: judgement.lost.clone(),
    }
}

fn convert_outcome(trial: &Trial) -> Outcome {
    let outcome = &trial.outcome;
    Outcome {
        kind: outcome.kind(),
        place: outcome.phase(),
        by: if let TrialOutcome::Refused { by, .. } = outcome { Some(*by) } else { None },
        module: outcome.suspect().map(str::to_owned),
        error: outcome.error().map(|error| error.kind.clone()),
        text: describe_outcome(outcome),
        after: trial.after.clone(),
        through: trial.through.clone(),
        python: trial.python.as_ref().map(|fault| fault.subject.clone()),
        failed_loads: trial.loads.iter().filter_map(convert_failed_load).collect(),
        printed: trial.printed.clone(),
        crash: trial.crash.as_ref().map(convert_crash),
        shared: if let TrialOutcome::Shares { objects, .. } = outcome { objects.clone() } else { Vec::new() },
        kept: trial.kept.clone(),
    }
}

/// The exception's text, the signal, the number of objects, the names of threads, an allocator's domain, the reason.
fn describe_outcome(outcome: &TrialOutcome) -> Option<String> {
    match outcome {
        TrialOutcome::Refused { error, .. } | TrialOutcome::Raised { error, .. } => Some(error.text.clone()),
        TrialOutcome::Crashed { how, .. } => Some(how.to_string()),
        TrialOutcome::Shares { count, .. } => Some(format!("objects that both interpreters reach: {count}")),
        TrialOutcome::LeftThreads { names } => Some(names.join(", ")),
        TrialOutcome::NotRun(why) => Some(match why {
            NotRunReason::Behind(name) => format!("{name} does not import"),
            NotRunReason::Shadowed(Some(other)) => format!("its name loads {other}"),
            NotRunReason::Shadowed(None) => "its name does not load it".to_owned(),
            NotRunReason::Because(_, why) => why.clone(),
        }),
        TrialOutcome::BreaksIsolation { how, .. } => Some(match how {
            IsolationBreach::EntersMain { thread } => thread.clone(),
            IsolationBreach::ReplacesAllocator { domain } => domain.clone(),
        }),
        TrialOutcome::Imported | TrialOutcome::TimedOut { .. } | TrialOutcome::LosesDescriptors { .. } => {
            None
        }
    }
}

fn convert_failed_load(load: &ModuleLoad) -> Option<FailedLoad> {
    let error = load.result.as_ref()?.as_ref().err()?;
    Some(FailedLoad {
        interpreter: load.interpreter.clone(),
        name: load.name.clone(),
        error: error.kind.clone(),
        text: error.text.clone(),
        chain: error.chain.clone(),
    })
}

fn convert_crash(crash: &CrashReport) -> Crash {
    let site = crash.site.as_ref();
    Crash {
        address: crash.address.map(|address| format!("{address:#x}")),
        object: site.map(|site| site.object.clone()),
        symbol: site.and_then(|site| site.symbol.clone()),
        offset: site.map(|site| format!("{:#x}", site.offset)),
        stack: crash.stack.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{AbnormalExit, ReasonId, TrialPhase, Verdict};
    use crate::report::fixtures::{full_report, in_mode, judged, trial};

    #[test]
    fn an_outcome_is_told_in_one_line() {
        let (place, loading) = (TrialPhase::Exit, None);
        let not_run = |why| TrialOutcome::NotRun(why);
        let breaks = |how| TrialOutcome::BreaksIsolation { how, place, module: None };
        for (outcome, text) in [
            (TrialOutcome::Imported, None),
            (TrialOutcome::TimedOut { place, loading: loading.clone() }, None),
            (TrialOutcome::LosesDescriptors { place, loading: loading.clone() }, None),
            (TrialOutcome::Crashed { how: AbnormalExit::Signal(6), place, loading }, Some("SIGABRT")),
            (TrialOutcome::LeftThreads { names: vec!["a".to_owned(), "b".to_owned()] }, Some("a, b")),
            (
                TrialOutcome::Shares { count: 3, objects: Vec::new() },
                Some("objects that both interpreters reach: 3"),
            ),
            (breaks(IsolationBreach::EntersMain { thread: "pump".to_owned() }), Some("pump")),
            (breaks(IsolationBreach::ReplacesAllocator { domain: "D".to_owned() }), Some("D")),
            (not_run(NotRunReason::Behind("p".to_owned())), Some("p does not import")),
            (not_run(NotRunReason::Shadowed(Some("q".to_owned()))), Some("its name loads q")),
            (not_run(NotRunReason::Shadowed(None)), Some("its name does not load it")),
            (not_run(NotRunReason::Because(ReasonId::Killed, "killed".to_owned())), Some("killed")),
        ] {
            assert_eq!(describe_outcome(&outcome).as_deref(), text, "{outcome:?}");
        }
    }

    #[test]
    fn the_evidence_stands_beside_the_verdict() {
        let report = full_report();
        let row = &report.modules[0];
        let document = serde_json::to_value(convert_modes(&row.judgements, &row.trials)).unwrap();
        let outcome = |mode: &str| document[mode]["outcome"].clone();
        let object = json!({
            "kind": "/srv/kind", "is_type": true, "is_static": false, "module": "/srv/holder",
            "ways": ["/srv/way-a", "/srv/way-b"],
        });
        let expected = json!({
            "kind": "refused", "place": "second-interpreter", "by": "cpython", "module": "/srv/m",
            "error": "/srv/Error", "text": "/srv/said", "after": "/srv/after", "through": "/srv/through",
            "failed_loads": [{
                "interpreter": "main", "name": "m", "error": "/srv/Error", "text": "/srv/said", "chain": ["/srv/by"],
            }],
            "printed": "/srv/printed", "kept": [object],
        });
        assert_eq!(outcome("own-gil"), expected);
        let expected = json!({
            "kind": "crashed", "place": "storm", "text": "SIGSEGV", "python": "shop",
            "crash": {
                "address": "0xff", "object": "/srv/libc", "symbol": "/srv/f", "offset": "0x10", "stack": "/srv/stack",
            },
        });
        assert_eq!(outcome("shared-gil"), expected);
        assert_eq!(outcome("free-threaded")["shared"], json!([object]));
        let mode = Mode::Main;
        let untried = convert_modes(&in_mode(mode, judged(Verdict::Ready)), &BTreeMap::new());
        assert_eq!(untried[&mode].outcome, None);
        let other = BTreeMap::from([(Mode::OwnGil, trial(Mode::OwnGil, TrialOutcome::Imported))]);
        assert_eq!(convert_modes(&in_mode(mode, judged(Verdict::Ready)), &other), untried);
    }

    #[test]
    fn a_verdict_is_explained_by_its_reason_or_else_by_its_cause() {
        let judgement = &full_report().modules[0].judgements[&Mode::OwnGil];
        assert_eq!(convert_judgement(judgement).explanation_id(), Some("refuses-by-itself"));
        let both = Judgement { reason_id: Some(ReasonId::TooSlow), ..judgement.clone() };
        assert_eq!(convert_judgement(&both).explanation_id(), Some("too-slow"));
        assert_eq!(convert_judgement(&judged(Verdict::Ready)).explanation_id(), None);
    }
}
