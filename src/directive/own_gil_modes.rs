//! Which mode gives an application its own GIL, and why none does. Pure functions.

use super::apache_syntax::escape_comment;
use super::application_mounts::{passes_in_mode, render_verdict_line};
use crate::model::{Mode, Verdict};
use crate::report::v1::Application;
use crate::report::{DecidedBy, Document};

/// The modes with an own GIL that a configuration may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnGilModes {
    /// Only what CPython allows by itself.
    Plain,
    /// Private copies too, where an application needs them.
    WithCopies,
}

impl OwnGilModes {
    /// Lists the modes, the one without private copies first.
    pub(super) fn list_modes(self) -> &'static [Mode] {
        match self {
            Self::Plain => &[Mode::OwnGil],
            Self::WithCopies => &[Mode::OwnGil, Mode::OwnGilCopies],
        }
    }

    /// The mode whose verdict says why an application cannot have its own GIL: the last one that was considered.
    fn last_mode(self) -> Mode {
        match self {
            Self::Plain => Mode::OwnGil,
            Self::WithCopies => Mode::OwnGilCopies,
        }
    }

    /// Describes what is not supported where none of these modes is.
    pub(super) fn describe_refusal(self) -> &'static str {
        match self {
            Self::Plain => "WSGIPerInterpreterGIL On",
            Self::WithCopies => "WSGIPerInterpreterGIL On, even with private copies",
        }
    }

    /// Chooses the mode that gives an application its own GIL. `None` if none of these does.
    pub(super) fn choose_mode(self, report: &Document, application: &Application) -> Option<Mode> {
        self.list_modes().iter().copied().find(|mode| {
            passes_in_mode(report, application, *mode) && list_failing_scripts(report, *mode).is_empty()
        })
    }

    /// Chooses the mode whose verdict explains the decision: the one that the application uses, or else the last one.
    pub(super) fn choose_explained_mode(self, report: &Document, application: &Application) -> Mode {
        self.choose_mode(report, application).unwrap_or(self.last_mode())
    }

    /// Returns the scripts for the whole environment that fail in all of these modes, a line each.
    fn find_failing_scripts(self, report: &Document) -> Option<String> {
        let fails = self.list_modes().iter().all(|mode| !list_failing_scripts(report, *mode).is_empty());
        fails.then(|| list_failing_scripts(report, self.last_mode()))
    }

    /// Checks that the report has trials in these modes.
    ///
    /// # Errors
    /// A message that says what to type instead.
    pub(super) fn check_trials(self, report: &Document) -> Result<(), String> {
        match self == Self::WithCopies && !report.modes.contains(&Mode::OwnGilCopies) {
            true => Err("the report has no trials with private copies\nhint: audit with --copies".to_owned()),
            false => Ok(()),
        }
    }
}

/// Returns why the report supports no per-interpreter GIL at all, one reason per line: the audit is
/// incomplete, it covered extension modules instead of an environment, or a script for the whole environment
/// fails in all of these modes. `None` if there is no such reason.
pub(super) fn find_objection(report: &Document, allowed: OwnGilModes) -> Option<String> {
    find_general_objection(report).or_else(|| allowed.find_failing_scripts(report))
}

/// Returns why the report supports nothing in a mode, whatever its verdicts on an application are; `None` if there is no
/// such reason. One reason per line.
pub fn find_objection_in(report: &Document, mode: Mode) -> Option<String> {
    find_general_objection(report)
        .or_else(|| Some(list_failing_scripts(report, mode)).filter(|lines| !lines.is_empty()))
}

/// Returns why the report supports nothing in any mode with an own GIL.
fn find_general_objection(report: &Document) -> Option<String> {
    if let Some(trouble) = report.trouble.first() {
        return Some(format!("the audit is incomplete: {}\n", escape_comment(trouble)));
    }
    (report.decided_by() == DecidedBy::Modules).then(|| {
        "the report covers only extension modules: audit the environment that uses them\n".to_owned()
    })
}

/// Renders the verdict in the mode that gives an application its own GIL, such as `shop.wsgi:application: blocked: ...`,
/// with the number of hazards.
pub(super) fn explain_verdict(report: &Document, application: &Application, allowed: OwnGilModes) -> String {
    let mode = allowed.choose_explained_mode(report, application);
    let (verdict, reason) = match report.application_verdict(&application.name, mode) {
        Some(judged) => (judged.verdict, judged.reason.as_str()),
        None => (Verdict::Unknown, "the report has no trial with an own GIL"),
    };
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let hazards = match application.hazards.len() {
        0 => String::new(),
        1 => "; 1 hazard in its source".to_owned(),
        count => format!("; {count} hazards in its source"),
    };
    escape_comment(&format!("{}: {verdict}{reason}{hazards}", application.name))
}

/// Returns the scripts for the whole environment that are not known to work in a mode, a line each; empty if there are
/// none.
fn list_failing_scripts(report: &Document, mode: Mode) -> String {
    let exercises = report.exercises.iter().filter(|each| each.application.is_none());
    let judged = exercises.filter_map(|each| Some((each, &each.modes.get(&mode)?.judged)));
    let failing = judged.filter(|(_, judged)| judged.verdict <= Verdict::Unknown);
    failing.map(|(each, judged)| render_verdict_line(&each.file, judged)).collect()
}
