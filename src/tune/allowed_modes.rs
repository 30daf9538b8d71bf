//! Which modes an audit allows an application. Pure functions.

use crate::directive::find_objection_in;
use crate::model::{Mode, Verdict};
use crate::report::Document;

/// What an audit says about the modes for an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AllowedModes {
    /// The modes in which it is ready, or degraded.
    pub(super) modes: Vec<Mode>,
    /// The other modes, each with its verdict and the reason, a line each.
    pub(super) refused: Vec<String>,
    /// Modes in which it lacks accelerators, a line each.
    pub(super) degraded: Vec<String>,
    /// Whether a verdict is not known, and none that is worse.
    pub(super) is_unknown: bool,
}

/// Returns the modes that a report allows.
///
/// # Errors
/// A message if the report is not about the application.
pub(super) fn find_allowed_modes(report: &Document, application: &str) -> Result<AllowedModes, String> {
    if !report.applications.iter().any(|each| each.name == application) {
        let names: Vec<&str> = report.applications.iter().map(|each| each.name.as_str()).collect();
        let others = match names.is_empty() {
            true => "it is about no application".to_owned(),
            false => format!("it is about {}", names.join(", ")),
        };
        return Err(format!(
            "the report has no application {application}: {others}\n\
             hint: audit it: wsgiaudit ENV --app {application} --json FILE"
        ));
    }
    let mut allowed = AllowedModes::default();
    let mut worst = Verdict::Ready;
    for mode in &report.modes {
        let Some(judged) = report.application_verdict(application, *mode) else { continue };
        let line = match judged.reason.is_empty() {
            true => format!("{mode}: {}", judged.verdict),
            false => format!("{mode}: {}: {}", judged.verdict, judged.reason),
        };
        match judged.verdict {
            // What speaks against the whole report speaks against everything but the usual way.
            Verdict::Ready | Verdict::Degraded => {
                match find_objection_in(report, *mode).filter(|_| *mode != Mode::Main) {
                    Some(objection) => allowed.refused.push(format!("{mode}: {}", objection.trim_end())),
                    None => {
                        allowed.modes.push(*mode);
                        allowed.degraded.extend((judged.verdict == Verdict::Degraded).then_some(line));
                    }
                }
            }
            Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => {
                allowed.refused.push(line);
                worst = worst.min(judged.verdict);
            }
        }
    }
    allowed.is_unknown = allowed.modes.is_empty() && worst >= Verdict::Unknown;
    Ok(allowed)
}

/// Whether the audit allows the application no mode, and only because verdicts are not known.
pub fn is_unknown(report: &Document, application: &str) -> bool {
    find_allowed_modes(report, application).is_ok_and(|allowed| allowed.is_unknown)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::v1::Application;

    /// A report on an application with these verdicts.
    fn report(verdicts: &[(Mode, &str, &str)]) -> Document {
        let modes: BTreeMap<&str, serde_json::Value> = verdicts
            .iter()
            .map(|(mode, verdict, reason)| {
                (mode.name(), serde_json::json!({"verdict": verdict, "reason": reason}))
            })
            .collect();
        let names: Vec<&str> = verdicts.iter().map(|(mode, ..)| mode.name()).collect();
        let application = serde_json::json!({
            "name": "shop:application", "file": "/srv/shop.py", "files": 1, "modes": modes, "modules": [],
            "hazards": [], "hazards_elsewhere": [], "not_followed": [], "not_followed_elsewhere": [],
        });
        let document = serde_json::json!({
            "schema": 1, "tool": {"name": "wsgiaudit", "version": "0"}, "environment": null, "modes": names,
            "answers": {}, "distributions": [], "modules": [], "blockers": {}, "notes": [], "trouble": [],
            "applications": [application],
        });
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn only_what_passes_is_allowed() {
        let report = report(&[
            (Mode::Main, "ready", ""),
            (Mode::SharedGil, "degraded", "imports without x"),
            (Mode::OwnGil, "blocked", "needs x, refused: no slot 3"),
            (Mode::FreeThreaded, "unknown", ""),
        ]);
        let allowed = find_allowed_modes(&report, "shop:application").unwrap();
        assert_eq!(allowed.modes, [Mode::Main, Mode::SharedGil]);
        assert_eq!(allowed.degraded, ["shared-gil: degraded: imports without x"]);
        let refused = ["own-gil: blocked: needs x, refused: no slot 3", "free-threaded: unknown"];
        assert_eq!(allowed.refused, refused);
        assert!(!allowed.is_unknown);
    }

    #[test]
    fn an_incomplete_audit_allows_the_main_interpreter_alone() {
        let mut report = report(&[(Mode::Main, "ready", ""), (Mode::OwnGil, "ready", "")]);
        report.trouble.push("interrupted".to_owned());
        let allowed = find_allowed_modes(&report, "shop:application").unwrap();
        assert_eq!((allowed.modes, allowed.is_unknown), (vec![Mode::Main], false));
        assert!(allowed.refused[0].contains("the audit is incomplete: interrupted"), "{:?}", allowed.refused);
    }

    #[test]
    fn verdicts_that_are_not_known_are_no_yes() {
        let unknown = report(&[(Mode::Main, "unknown", ""), (Mode::OwnGil, "unknown", "")]);
        assert!(is_unknown(&unknown, "shop:application"));
        let blocked = report(&[(Mode::Main, "unknown", ""), (Mode::OwnGil, "blocked", "")]);
        assert!(!is_unknown(&blocked, "shop:application"));
        assert!(!is_unknown(&report(&[(Mode::Main, "ready", "")]), "shop:application"));
    }

    #[test]
    fn another_application_is_an_error() {
        let said = find_allowed_modes(&report(&[(Mode::Main, "ready", "")]), "blog:application").unwrap_err();
        assert!(
            said.starts_with("the report has no application blog:application: it is about shop:application")
        );
        let none = Document { applications: Vec::<Application>::new(), ..report(&[]) };
        assert!(find_allowed_modes(&none, "blog:application").unwrap_err().contains("about no application"));
    }
}
