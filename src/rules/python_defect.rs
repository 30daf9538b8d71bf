//! `python-defect`: the Python itself crashes.

use super::words;
use crate::model::{Mode, Outcome, Place, PythonFinding, Trial};

/// A fault that is known, and the first release without it.
struct Known {
    /// Modules that show it; none for any.
    modules: &'static [&'static str],
    /// Where alone it shows itself, if so.
    place: Option<Place>,
    /// The first release with it, and the first without.
    releases: [(u8, u8, u8); 2],
    issue: &'static str,
}

/// Each was measured on a release that has it; what mended it is told by CPython's changelog. The first that fits counts.
const KNOWN: [Known; 4] = [
    Known {
        modules: &["_datetime", "datetime"],
        place: None,
        releases: [(3, 13, 0), (3, 14, 0)],
        issue: "gh-136421",
    },
    // Its init function is the fault of 3.12, and what became of it that of 3.13.
    Known {
        modules: &["_datetime", "datetime"],
        place: None,
        releases: [(3, 12, 0), (3, 14, 0)],
        issue: "gh-117953 and gh-136421",
    },
    Known {
        modules: &["_decimal", "decimal", "_zoneinfo", "zoneinfo"],
        place: None,
        releases: [(3, 12, 0), (3, 13, 0)],
        issue: "gh-117953",
    },
    Known { modules: &[], place: Some(Place::Exit), releases: [(3, 12, 0), (3, 12, 4)], issue: "gh-119213" },
];

/// What this trial of a module of the standard library alone says of its Python.
pub fn python_defect(fault: &Trial, version: (u8, u8, u8), release: &str) -> PythonFinding {
    let known = known(fault, version);
    let mended =
        known.map(|known| known.releases[1]).map(|(major, minor, micro)| format!("{major}.{minor}.{micro}"));
    let issue = known.map(|known| known.issue);
    let interpreters = match fault.mode {
        Mode::OwnGil => "interpreters with their own GIL",
        Mode::Main | Mode::SharedGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => "sub-interpreters",
    };
    let what = words::did(fault, None);
    let way_out = match (&mended, issue) {
        (Some(mended), Some(issue)) => {
            format!("mended in {mended} ({issue}): use that release or a later one")
        }
        _ => "no release that mends it is known here: try the newest".to_owned(),
    };
    let text = format!(
        "this Python, CPython {release}, has a fault of its own: {} of the standard library, in {interpreters} and with \
         nothing else, {what}; {way_out}",
        fault.subject
    );
    PythonFinding {
        rule: "python-defect",
        mode: fault.mode,
        module: fault.subject.clone(),
        what,
        text,
        mended,
        issue: issue.map(str::to_owned),
    }
}

fn known(fault: &Trial, version: (u8, u8, u8)) -> Option<&'static Known> {
    let place = if let Outcome::Crashed { place, .. } = fault.outcome { Some(place) } else { None };
    KNOWN.iter().find(|known| {
        (known.modules.is_empty() || known.modules.contains(&fault.subject.as_str()))
            && (known.place.is_none() || known.place == place)
            && (known.releases[0]..known.releases[1]).contains(&version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Death, NotRun, ReasonId};

    fn found(module: &str, place: Place, version: (u8, u8, u8)) -> PythonFinding {
        let because = NotRun::Because(ReasonId::ProbeFailed, String::new());
        let outcome = Outcome::Crashed { how: Death::Signal(6), place, loading: None };
        let fault = Trial { outcome, ..Trial::not_run(module, Mode::OwnGil, because) };
        python_defect(&fault, version, &format!("{}.{}.{}", version.0, version.1, version.2))
    }

    #[test]
    fn a_known_fault_names_the_release_that_mends_it() {
        for (module, place, version, mended, issue) in [
            ("_datetime", Place::Teardown, (3, 13, 5), "3.14.0", "gh-136421"),
            ("_datetime", Place::SecondInterpreter, (3, 12, 1), "3.14.0", "gh-117953 and gh-136421"),
            ("_decimal", Place::SecondInterpreter, (3, 12, 9), "3.13.0", "gh-117953"),
            ("hashlib", Place::Exit, (3, 12, 3), "3.12.4", "gh-119213"),
        ] {
            let finding = found(module, place, version);
            assert_eq!((finding.mended.as_deref(), finding.issue.as_deref()), (Some(mended), Some(issue)));
            assert!(finding.text.contains(&format!("mended in {mended} ({issue})")), "{}", finding.text);
        }
    }

    #[test]
    fn an_unknown_fault_promises_no_release() {
        for (module, place, version) in [
            ("_datetime", Place::Teardown, (3, 14, 7)),
            ("hashlib", Place::Exit, (3, 12, 4)),
            ("_ssl", Place::Teardown, (3, 12, 1)),
        ] {
            let finding = found(module, place, version);
            assert_eq!((finding.mended, finding.issue), (None, None));
            assert!(
                finding.text.ends_with("no release that mends it is known here: try the newest"),
                "{}",
                finding.text
            );
        }
    }
}
