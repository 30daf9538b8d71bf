//! The applications of a report, where they are mounted, and which of them are fit for an own GIL. Pure.

use std::path::Path;

use super::words::comment;
use crate::model::{Mode, Verdict};
use crate::report::v1::{Application, Judged};
use crate::report::{DecidedBy, Document};

/// An application of the report, and where it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// As the report names it.
    pub application: String,
    /// The prefix of its URLs, e.g. `/shop`.
    pub prefix: String,
}

impl Mount {
    /// Every application of the report: at the prefixes where the configuration of the report serves it, else at `/`.
    pub fn all(report: &Document) -> Vec<Self> {
        let at = |application: &Application| {
            let landings = report.apache.iter().flat_map(|apache| &apache.landings);
            let its = landings.filter(|landing| landing.application.as_ref() == Some(&application.name));
            let mut prefixes: Vec<String> = its.map(|landing| landing.url.clone()).collect();
            if prefixes.is_empty() {
                prefixes.push("/".to_owned());
            }
            prefixes.sort();
            prefixes.dedup();
            let mount = |prefix| Self { application: application.name.clone(), prefix };
            prefixes.into_iter().map(mount).collect::<Vec<Self>>()
        };
        report.applications.iter().flat_map(at).collect()
    }
}

/// What a report supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// These lines.
    Lines(String),
    /// Nothing; why, a line for each reason.
    Nothing(String),
}

/// An application with its mount.
pub(super) type Part<'a> = (&'a Mount, &'a Application);

/// The applications that are mounted.
///
/// # Errors
/// In words, where one is not in the report.
pub(super) fn parts<'a>(report: &'a Document, mounts: &'a [Mount]) -> Result<Vec<Part<'a>>, String> {
    let find = |mount: &'a Mount| {
        let found = report.applications.iter().find(|each| each.name == mount.application);
        let missing = || format!("the report is not about an application {}", mount.application);
        Ok((mount, found.ok_or_else(missing)?))
    };
    mounts.iter().map(find).collect()
}

/// The first line: what the report is about.
pub(super) fn head(report: &Document) -> String {
    let python = report.environment.as_ref();
    let python =
        python.map_or_else(String::new, |python| format!("CPython {}, {}, ", python.python, python.platform));
    format!("# What wsgiaudit's report on {}supports.\n", comment(&python))
}

/// Why the report supports no own GIL, whatever its applications are, a line for each reason: the audit is incomplete, it was about
/// extension modules, or a script that uses the environment as a whole fails. `None` if nothing of that is so.
pub(super) fn objection(report: &Document) -> Option<String> {
    if let Some(trouble) = report.trouble.first() {
        return Some(format!("the audit is incomplete: {}\n", comment(trouble)));
    }
    if report.decided_by() == DecidedBy::Modules {
        return Some(
            "the report is about extension modules: audit the environment that uses them\n".to_owned(),
        );
    }
    let exercises = report.exercises.iter().filter(|each| each.application.is_none());
    let judged = exercises.filter_map(|each| Some((each, &each.modes.get(&Mode::OwnGil)?.judged)));
    let bad = judged.filter(|(_, judged)| judged.verdict <= Verdict::Unknown);
    let lines: String = bad.map(|(each, judged)| verdict_line(&each.file, judged)).collect();
    (!lines.is_empty()).then_some(lines)
}

/// `numpy: blocked: ...`
pub(super) fn verdict_line(name: &str, judged: &Judged) -> String {
    format!("{}: {}: {}\n", comment(name), judged.verdict, comment(&judged.reason))
}

/// Whether an application may have an interpreter with its own GIL.
pub(super) fn is_fit(report: &Document, application: &Application) -> bool {
    passes(report, application, Mode::OwnGil)
}

/// Whether an application passes in a mode.
pub(super) fn passes(report: &Document, application: &Application, mode: Mode) -> bool {
    report.application(&application.name, mode).is_some_and(|judged| match judged.verdict {
        Verdict::Ready | Verdict::Degraded => true,
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => false,
    })
}

/// `shop.wsgi:application: blocked: ...`, with the number of its hazards.
pub(super) fn why(report: &Document, application: &Application) -> String {
    let (verdict, reason) = match report.application(&application.name, Mode::OwnGil) {
        Some(judged) => (judged.verdict, judged.reason.as_str()),
        None => (Verdict::Unknown, "it was not tried with an own GIL"),
    };
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let hazards = match application.hazards.len() {
        0 => String::new(),
        1 => "; 1 hazard in its source".to_owned(),
        count => format!("; {count} hazards in its source"),
    };
    comment(&format!("{}: {verdict}{reason}{hazards}", application.name))
}

/// A word that can name the application's group: `shop-wsgi` for `shop.wsgi:application`, `shop` for `/srv/shop.wsgi`.
pub(super) fn group(application: &Application) -> String {
    let name = &application.name;
    let name = name.rsplit_once(':').map_or(name.as_str(), |(module, _)| module);
    let stem = Path::new(name).file_stem().filter(|_| name.contains('/'));
    let name = stem.and_then(|stem| stem.to_str()).unwrap_or(name);
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}

/// The name of the WSGI callable in the application's file.
pub(super) fn callable(application: &Application) -> &str {
    application.name.rsplit_once(':').map_or("application", |(_, callable)| callable)
}

/// What mod_wsgi cannot serve as it is named: it looks for a plain name in the script, and calls no factory (6.1.1,
/// `wsgi_interp.c`).
///
/// # Errors
/// In words, with what to do instead.
pub(super) fn check_callable(application: &Application) -> Result<(), String> {
    let callable = callable(application);
    match callable.contains(['.', '(']) {
        false => Ok(()),
        true => Err(format!(
            "mod_wsgi does not take {callable} as the name of an application: it takes a plain name\n\
             hint: write a script with `application = {callable}` in it, and audit that"
        )),
    }
}

/// The directive that these applications need for thread pools in their own source; empty if they have none. A pool lives until its
/// interpreter ends.
pub(super) fn for_thread_pools<'a>(mut applications: impl Iterator<Item = &'a Application>) -> &'static str {
    let has_pool =
        |application: &Application| application.hazards.iter().any(|hazard| hazard.rule == "thread-pool");
    match applications.any(has_pool) {
        true => {
            "# mod_wsgi 6.1.1 crashes when it destroys a sub-interpreter with a live thread pool. This is for all of Apache.\n\
             WSGIDestroyInterpreter Off\n"
        }
        false => "",
    }
}
