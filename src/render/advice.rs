//! What an operator can do today about the answer, in a few lines.

use super::answer;
use super::escape::escape_and_truncate;
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
            let today = describe_fallback(document, mode);
            today.into_iter().chain(describe_first_obstacle(document, mode)).collect()
        }
        Verdict::Unknown | Verdict::NotApplicable => describe_fallback(document, mode).into_iter().collect(),
    };
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("What to do:\n{}", lines.concat())
}

/// Says how to use a mode that is fit.
fn describe_use(document: &Document, mode: Mode) -> &'static str {
    match mode {
        Mode::Main => "Use the main interpreter: WSGIApplicationGroup %{GLOBAL}.",
        Mode::SharedGil => "Use application groups as mod_wsgi makes them by default.",
        Mode::OwnGil if document.apache.is_some() => {
            "Keep the report with --json report.json. `wsgiaudit directive --report report.json --apache-config \
             FILE` prints the change of the configuration."
        }
        Mode::OwnGil => {
            "Keep the report with --json report.json. `wsgiaudit directive --report report.json` prints the lines \
             for Apache."
        }
        Mode::OwnGilCopies => {
            "Keep the report with --json report.json. `wsgiaudit copies --report report.json` makes the copies, and \
             `wsgiaudit serve --copies` uses copies of its own."
        }
        Mode::FreeThreaded => "Use a free-threaded Python, WSGIFreeThreading On and the main interpreter.",
        Mode::FreeThreadedGroup => "Use a free-threaded Python and WSGIFreeThreading On.",
    }
}

/// Says what to use where a mode is not fit or not known to be fit. `None` if the report knows of nothing that works.
fn describe_fallback(document: &Document, mode: Mode) -> Option<String> {
    let off = match mode {
        Mode::Main => return None,
        Mode::SharedGil => "",
        Mode::OwnGil | Mode::OwnGilCopies => "leave WSGIPerInterpreterGIL off; ",
        Mode::FreeThreaded | Mode::FreeThreadedGroup => "stay with a Python that has a GIL; ",
    };
    let shared = document.compute_answer(Mode::SharedGil).map(|answer| answer.verdict());
    let rest = match shared.filter(|_| mode != Mode::SharedGil) {
        Some(Verdict::Ready) => "application groups that share a GIL, mod_wsgi's default, are fit.",
        Some(Verdict::Degraded) => {
            "application groups that share a GIL, mod_wsgi's default, are fit, with accelerators lost."
        }
        Some(Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable) | None => {
            match document.works_in_main() {
                true => {
                    "serve each application in a daemon process of its own, with WSGIApplicationGroup %{GLOBAL}."
                }
                false => return None,
            }
        }
    };
    Some(format!("Today: {off}{rest}"))
}

/// Names the root cause that blocks most, and how to learn more.
fn describe_first_obstacle(document: &Document, mode: Mode) -> Option<String> {
    let blockers =
        document.blockers.get(&mode).filter(|_| document.decided_by() == DecidedBy::Distributions)?;
    let first = blockers.first()?;
    let root = first.roots.first()?;
    // Files that no distribution claims, and the standard library's, have no owner.
    let owner = first.distribution.as_deref().unwrap_or(&root.module);
    let also = match first.blocks.len() {
        0 => String::new(),
        count => format!(", which also blocks {}", answer::format_distribution_count(count)),
    };
    let next = match &first.upgrade {
        Some(upgrade) => format!("Newer versions: {}.", escape_and_truncate(&upgrade.words, 200)),
        None => match answer::format_explain_command(std::iter::once(root.rule.as_str())) {
            Some(explain) => format!("`{explain}` says more; --upgrades asks for newer versions."),
            None => "--upgrades asks for newer versions.".to_owned(),
        },
    };
    Some(format!("To get there: begin with {}{also}. {next}", escape_and_truncate(owner, 100)))
}
