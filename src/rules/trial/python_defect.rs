//! Rule `python-defect`: a module of the standard library fails on its own.

use crate::model::{Mode, PythonDefect, RuleId, Trial, TrialOutcome, TrialPhase};
use crate::rules::messages;

/// A known defect of CPython, and the first release without it.
struct KnownDefect {
    /// Modules that show it; empty for any.
    modules: &'static [&'static str],
    /// The only phase in which it shows, if there is one.
    place: Option<TrialPhase>,
    /// The first release with the defect, and the first without it.
    releases: [(u8, u8, u8); 2],
    issue: &'static str,
}

/// Known defects; the first that matches applies. Each was reproduced on a release that has it, and the fixed
/// release is taken from CPython's changelog.
const KNOWN: [KnownDefect; 4] = [
    KnownDefect {
        modules: &["_datetime", "datetime"],
        place: None,
        releases: [(3, 13, 0), (3, 14, 0)],
        issue: "gh-136421",
    },
    // On 3.12 its init function has the defect of gh-117953; from 3.13 on it has that of gh-136421.
    KnownDefect {
        modules: &["_datetime", "datetime"],
        place: None,
        releases: [(3, 12, 0), (3, 14, 0)],
        issue: "gh-117953 and gh-136421",
    },
    KnownDefect {
        modules: &["_decimal", "decimal", "_zoneinfo", "zoneinfo"],
        place: None,
        releases: [(3, 12, 0), (3, 13, 0)],
        issue: "gh-117953",
    },
    KnownDefect {
        modules: &[],
        place: Some(TrialPhase::Exit),
        releases: [(3, 12, 0), (3, 12, 4)],
        issue: "gh-119213",
    },
];

/// Describes the defect of Python that the trial of a standard library module shows.
pub fn describe_python_defect(fault: &Trial, version: (u8, u8, u8), release: &str) -> PythonDefect {
    let known = find_known_defect(fault, version);
    let mended =
        known.map(|known| known.releases[1]).map(|(major, minor, micro)| format!("{major}.{minor}.{micro}"));
    let issue = known.map(|known| known.issue);
    let interpreters = match fault.mode {
        Mode::OwnGil | Mode::OwnGilCopies => "interpreters with their own GIL",
        Mode::Main | Mode::SharedGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => "sub-interpreters",
    };
    let what = messages::describe_failure(fault, None);
    let advice = match (&mended, issue) {
        (Some(mended), Some(issue)) => {
            format!("fixed in {mended} ({issue}): use that release or a later one")
        }
        _ => "no release with a fix is known here: try the newest".to_owned(),
    };
    let text = format!(
        "this Python, CPython {release}, has a defect: {} of the standard library, in {interpreters} and with \
         nothing else imported, {what}; {advice}",
        fault.subject
    );
    PythonDefect {
        rule: RuleId::PythonDefect,
        mode: fault.mode,
        module: fault.subject.clone(),
        what,
        text,
        mended,
        issue: issue.map(str::to_owned),
    }
}

/// Returns the known defect that matches this trial and version of Python.
fn find_known_defect(fault: &Trial, version: (u8, u8, u8)) -> Option<&'static KnownDefect> {
    let place = if let TrialOutcome::Crashed { place, .. } = fault.outcome { Some(place) } else { None };
    KNOWN.iter().find(|known| {
        (known.modules.is_empty() || known.modules.contains(&fault.subject.as_str()))
            && (known.place.is_none() || known.place == place)
            && (known.releases[0]..known.releases[1]).contains(&version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AbnormalExit, NotRunReason, ReasonId};

    fn found(module: &str, place: TrialPhase, version: (u8, u8, u8)) -> PythonDefect {
        let because = NotRunReason::Because(ReasonId::ProbeFailed, String::new());
        let outcome = TrialOutcome::Crashed { how: AbnormalExit::Signal(6), place, loading: None };
        let fault = Trial { outcome, ..Trial::not_run(module, Mode::OwnGil, because) };
        describe_python_defect(&fault, version, &format!("{}.{}.{}", version.0, version.1, version.2))
    }

    #[test]
    fn a_known_fault_names_the_release_that_mends_it() {
        for (module, place, version, mended, issue) in [
            ("_datetime", TrialPhase::Teardown, (3, 13, 5), "3.14.0", "gh-136421"),
            ("_datetime", TrialPhase::SecondInterpreter, (3, 12, 1), "3.14.0", "gh-117953 and gh-136421"),
            ("_decimal", TrialPhase::SecondInterpreter, (3, 12, 9), "3.13.0", "gh-117953"),
            ("hashlib", TrialPhase::Exit, (3, 12, 3), "3.12.4", "gh-119213"),
        ] {
            let finding = found(module, place, version);
            assert_eq!((finding.mended.as_deref(), finding.issue.as_deref()), (Some(mended), Some(issue)));
            assert!(finding.text.contains(&format!("fixed in {mended} ({issue})")), "{}", finding.text);
        }
    }

    #[test]
    fn an_unknown_fault_promises_no_release() {
        for (module, place, version) in [
            ("_datetime", TrialPhase::Teardown, (3, 14, 7)),
            ("hashlib", TrialPhase::Exit, (3, 12, 4)),
            ("_ssl", TrialPhase::Teardown, (3, 12, 1)),
        ] {
            let finding = found(module, place, version);
            assert_eq!((finding.mended, finding.issue), (None, None));
            assert!(
                finding.text.ends_with("no release with a fix is known here: try the newest"),
                "{}",
                finding.text
            );
        }
    }
}
