//! Which modes a Python cannot be tried in, and what that means for every subject.

use std::collections::BTreeMap;

use crate::model::{Interpreter, Judgement, Mode, ReasonId, RootCause, RuleId, Verdict};

/// Returns the modes in which this Python cannot be tried, with the judgement of every subject in them, and
/// notes about that.
pub(super) fn find_untriable_modes(
    interpreter: Option<&Interpreter>,
) -> (BTreeMap<Mode, Judgement>, Vec<String>) {
    let in_all = |id, why: &str| {
        Mode::ALL
            .into_iter()
            .map(|mode| (mode, Judgement::from_reason_id(id, why)))
            .collect::<BTreeMap<_, _>>()
    };
    let Some(interpreter) = interpreter else {
        return (in_all(ReasonId::NoTrials, "nothing was tried: the environment has no Python"), Vec::new());
    };
    if let Some(why) = &interpreter.no_trials {
        let is_cpython = interpreter.implementation == "cpython";
        let id = if is_cpython { ReasonId::NoTrials } else { ReasonId::NotCPython };
        return (in_all(id, why), vec![format!("nothing was tried, only read: {why}")]);
    }
    if interpreter.has_own_gil() {
        return (BTreeMap::new(), Vec::new());
    }
    let (major, minor) = Interpreter::FIRST_WITH_OWN_GIL;
    let release = &interpreter.release;
    let what = format!("own GIL needs Python {major}.{minor}, and this is {release}");
    let note = format!("{what}: declarations were read, and the control was run");
    let module = "python".to_owned();
    let cause =
        RootCause { rule: RuleId::PythonTooOld, chain: vec![module.clone()], module, what: what.clone() };
    let too_old = Judgement::from_evidence(Verdict::Blocked, Some(cause), what);
    let why = format!(
        "was not tried: wsgiaudit needs Python {major}.{minor} or later for sub-interpreters, and this is \
         {release}"
    );
    let not_tried = Judgement::from_reason_id(ReasonId::NoTrials, why);
    let no_trials =
        [(Mode::SharedGil, not_tried), (Mode::OwnGil, too_old.clone()), (Mode::OwnGilCopies, too_old)];
    (BTreeMap::from(no_trials), vec![note])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(version: (u8, u8, u8), no_trials: Option<&str>) -> Interpreter {
        Interpreter {
            version,
            release: format!("{}.{}.{}", version.0, version.1, version.2),
            no_trials: no_trials.map(str::to_owned),
            ..Interpreter::example()
        }
    }

    #[test]
    fn before_3_12_only_the_control_is_run() {
        let (no_trials, notes) = find_untriable_modes(Some(&interpreter((3, 11, 7), None)));
        assert_eq!(
            no_trials.keys().copied().collect::<Vec<_>>(),
            [Mode::SharedGil, Mode::OwnGil, Mode::OwnGilCopies]
        );
        assert!(notes[0].starts_with("own GIL needs Python 3.12, and this is 3.11.7"), "{notes:?}");
        let (own, shared) = (&no_trials[&Mode::OwnGil], &no_trials[&Mode::SharedGil]);
        assert_eq!(own.verdict, Verdict::Blocked);
        assert_eq!(own.cause.as_ref().map(|cause| cause.rule), Some(RuleId::PythonTooOld));
        assert_eq!(shared.verdict, Verdict::Unknown);
        assert!(own.reason.contains("own GIL needs") && !shared.reason.contains("own GIL"), "{shared:?}");
    }

    #[test]
    fn from_3_12_on_everything_is_run() {
        assert_eq!(find_untriable_modes(Some(&interpreter((3, 12, 0), None))), (BTreeMap::new(), Vec::new()));
    }

    #[test]
    fn without_a_python_that_can_do_it_nothing_is_run() {
        let cannot = interpreter((3, 14, 0), Some("no ctypes"));
        let other = Interpreter { implementation: "pypy".to_owned(), ..cannot.clone() };
        for (interpreter, reason) in [
            (None, ReasonId::NoTrials),
            (Some(&cannot), ReasonId::NoTrials),
            (Some(&other), ReasonId::NotCPython),
        ] {
            let (no_trials, _) = find_untriable_modes(interpreter);
            assert_eq!(no_trials.len(), Mode::ALL.len());
            assert!(no_trials.values().all(|judgement| judgement.reason_id == Some(reason)));
        }
    }
}
