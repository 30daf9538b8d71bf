//! What an operator can do today about the answer, in a few lines.

use super::answer;
use super::escape::escape;
use crate::model::{Mode, Verdict};
use crate::report::{DecidedBy, Document};

/// Renders what to do about the first required mode. Empty if nothing was asked about it.
pub(super) fn render_advice(document: &Document, required: &[Mode]) -> String {
    let mode = required.first().copied().unwrap_or(Mode::OwnGil);
    let Some(answer) = document.compute_answer(mode) else { return String::new() };
    if document.decided_by() == DecidedBy::Modules {
        return String::new();
    }
    let lines = match answer.verdict() {
        Verdict::Ready | Verdict::Degraded => vec![describe_use(document, mode).to_owned()],
        Verdict::Unsafe | Verdict::Blocked => {
            let today = format!("Today: {}", describe_fallback(document, mode));
            [today].into_iter().chain(describe_first_obstacle(document, mode)).collect()
        }
        Verdict::Unknown | Verdict::NotApplicable => {
            vec![format!("Today: {}", describe_fallback(document, mode))]
        }
    };
    let lines: Vec<String> = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("What to do:\n{}", lines.concat())
}

/// Says how to use a mode that is fit.
fn describe_use(document: &Document, mode: Mode) -> &'static str {
    if mode.is_free_threaded() {
        "a free-threaded Python and WSGIFreeThreading On are fit for it."
    } else if mode == Mode::Main {
        "the main interpreter is fit: WSGIApplicationGroup %{GLOBAL}."
    } else if mode == Mode::SharedGil {
        "application groups are fit as mod_wsgi makes them by default."
    } else if document.apache.is_some() {
        "keep the report with --json report.json; `wsgiaudit directive --report report.json --apache-config FILE` \
         prints the change of the configuration."
    } else {
        "keep the report with --json report.json; `wsgiaudit directive --report report.json` prints the lines for \
         Apache."
    }
}

/// Says what works today where a mode is not fit or not known to be fit, as far as the report knows.
fn describe_fallback(document: &Document, mode: Mode) -> String {
    let shared = document.compute_answer(Mode::SharedGil).map(|answer| answer.verdict());
    let off = if mode.is_free_threaded() {
        "stay with a Python that has a GIL; "
    } else if matches!(mode, Mode::Main | Mode::SharedGil) {
        ""
    } else {
        "leave WSGIPerInterpreterGIL off; "
    };
    let rest = match shared.filter(|_| !matches!(mode, Mode::Main | Mode::SharedGil)) {
        Some(Verdict::Ready | Verdict::Degraded) => {
            "application groups that share a GIL, mod_wsgi's default, are fit."
        }
        Some(Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable) | None => {
            "serve each application in a daemon process of its own, with WSGIApplicationGroup %{GLOBAL}."
        }
    };
    format!("{off}{rest}")
}

/// Names the root cause that blocks most, and how to learn more.
fn describe_first_obstacle(document: &Document, mode: Mode) -> Option<String> {
    let blockers =
        document.blockers.get(&mode).filter(|_| document.decided_by() == DecidedBy::Distributions)?;
    let first = blockers.first()?;
    let owner = first.distribution.as_deref().unwrap_or("the standard library, or no distribution");
    let also = match first.blocks.len() {
        0 => String::new(),
        count => format!(", which also blocks {}", answer::format_distribution_count(count)),
    };
    let next = match (&first.upgrade, first.roots.first()) {
        (Some(_), _) => String::new(),
        (None, Some(root)) => {
            let explain = answer::format_explain_command(std::iter::once(root.rule.as_str()))?;
            format!(": `{explain}`; --upgrades asks for newer versions")
        }
        (None, None) => return None,
    };
    Some(format!("To get there: first {}{also}{next}.", escape(owner)))
}
