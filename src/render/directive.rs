//! The configuration that a report supports: mod_wsgi's directives, with the reasons as comments. Pure.

use std::fmt::Write;

use super::escape::escape_within;
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

/// What a report supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// These lines.
    Lines(String),
    /// Nothing; why, a line for each reason.
    Nothing(String),
}

/// The `<WSGIInterpreterOptions>` block for the environment, or for these applications of it: those that must
/// stay in the main interpreter get a process group of their own, since a group that is shared with others serves
/// `%{GLOBAL}` by the wrong interpreter (measured with mod_wsgi 6.1.1).
///
/// # Errors
/// In words, where an application is not in the report.
pub fn directive(report: &Document, mounts: &[Mount]) -> Result<Directive, String> {
    let parts = parts(report, mounts)?;
    if let Some(trouble) = report.trouble.first() {
        return Ok(Directive::Nothing(format!("the audit is incomplete: {}\n", comment(trouble))));
    }
    if let Some(why) = vetoes(report) {
        return Ok(Directive::Nothing(why));
    }
    let head = head(report);
    let (fit, unfit): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|(_, each)| is_fit(judged(report, each)));
    Ok(match (mounts.is_empty(), fit.is_empty(), unfit.is_empty()) {
        (true, ..) => environment(report, &head),
        (false, true, _) => {
            Directive::Nothing(unfit.iter().map(|(_, each)| format!("{}\n", why(report, each))).collect())
        }
        (false, false, true) => {
            let mut text = head;
            for (_, each) in &fit {
                let _ = writeln!(text, "# {}", why(report, each));
            }
            text.push_str(&pools(fit.iter().map(|(_, each)| *each)));
            text.push_str(&block(""));
            Directive::Lines(text)
        }
        (false, false, false) => Directive::Lines(head + &split(report, &fit, &unfit)),
    })
}

/// The applications, where they are mounted.
fn parts<'a>(report: &'a Document, mounts: &'a [Mount]) -> Result<Vec<(&'a Mount, &'a Application)>, String> {
    let find = |mount: &'a Mount| {
        let found = report.applications.iter().find(|each| each.name == mount.application);
        let missing = || format!("the report is not about an application {}", mount.application);
        Ok((mount, found.ok_or_else(missing)?))
    };
    mounts.iter().map(find).collect()
}

fn head(report: &Document) -> String {
    let python = report.environment.as_ref();
    let python =
        python.map_or_else(String::new, |python| format!("CPython {}, {}, ", python.python, python.platform));
    format!("# What wsgiaudit's report on {}supports.\n", comment(&python))
}

/// The same for `wsgiaudit serve --config`: a group for each application, in an interpreter with its own GIL where
/// that is fit, else in the main one. Of what stays there nothing is lost but the parallelism, so there is always an
/// answer.
///
/// # Errors
/// In words, where an application is not in the report, or none is named.
pub fn groups(report: &Document, mounts: &[Mount]) -> Result<Directive, String> {
    let parts = parts(report, mounts)?;
    if parts.is_empty() {
        return Err("groups need applications, and the report is about none: audit with --app".to_owned());
    }
    let mut text = head(report);
    let vetoes = vetoes(report);
    for why in vetoes.iter().flat_map(|why| why.lines()) {
        let _ = writeln!(text, "# {why}");
    }
    for (mount, each) in parts {
        let mode = if vetoes.is_none() && is_fit(judged(report, each)) { Mode::OwnGil } else { Mode::Main };
        let _ = writeln!(text, "\n# {}", why(report, each));
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let (name, application) = (quote(&group(&each.name)), quote(&each.name));
        let _ = writeln!(text, "[[group]]\nname = {name}\nmode = \"{mode}\"\napplication = {application}");
        if mount.prefix != "/" {
            let _ = writeln!(text, "routes = [{}]", quote(&mount.prefix));
        }
    }
    Ok(Directive::Lines(text))
}

fn environment(report: &Document, head: &str) -> Directive {
    let Some(answer) = report.answer(Mode::OwnGil) else {
        return Directive::Nothing("an own GIL was not tried\n".to_owned());
    };
    let lines = |wanted: &dyn Fn(Verdict) -> bool| -> String {
        let deciders = answer.deciders.iter().filter(|each| wanted(each.judged.verdict));
        deciders.map(|each| line(each.name.unwrap_or("(no distribution)"), each.judged)).collect()
    };
    match answer.verdict() {
        Verdict::Ready => {
            Directive::Lines(format!("{head}# Everything in the environment is ready.\n{}", block("")))
        }
        Verdict::Degraded => {
            let lost = lines(&|verdict| verdict == Verdict::Degraded);
            let lost = lost.lines().map(|line| format!("# {line}\n"));
            Directive::Lines(format!("{head}{}{}", lost.collect::<String>(), block("")))
        }
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => {
            let bad = lines(&|verdict| verdict <= Verdict::Unknown);
            Directive::Nothing(if bad.is_empty() { "nothing here was tried\n".to_owned() } else { bad })
        }
    }
}

/// Two process groups: one whose interpreters have their own GIL, and one for the main interpreter.
fn split(report: &Document, fit: &[(&Mount, &Application)], unfit: &[(&Mount, &Application)]) -> String {
    let mut text = String::new();
    for (mount, each) in fit {
        let _ = writeln!(text, "# {}: {}", comment(&mount.prefix), why(report, each));
    }
    for (mount, each) in unfit {
        let _ = writeln!(
            text,
            "# {}: {}: it stays in the main interpreter, in a process group",
            comment(&mount.prefix),
            why(report, each)
        );
        text.push_str(
            "# of its own: beside other groups mod_wsgi 6.1.1 serves %{GLOBAL} by the wrong interpreter.\n",
        );
    }
    text.push_str("WSGIDaemonProcess own-gil\nWSGIDaemonProcess main-interpreter\n");
    let mut aliases: Vec<(&str, String)> = Vec::new();
    let all = fit.iter().map(|part| (part, true)).chain(unfit.iter().map(|part| (part, false)));
    for ((mount, each), is_fit) in all {
        let group = match is_fit {
            true => format!("process-group=own-gil application-group={}", group(&each.name)),
            false => "process-group=main-interpreter application-group=%{GLOBAL}".to_owned(),
        };
        let callable = each.name.rsplit_once(':').map_or("application", |(_, callable)| callable);
        let callable =
            if callable == "application" { String::new() } else { format!(" callable-object={callable}") };
        let file = quoted(&each.file);
        aliases.push((
            &mount.prefix,
            format!("WSGIScriptAlias {} {file} {group}{callable}\n", quoted(&mount.prefix)),
        ));
    }
    // Apache takes the first alias that fits: the longest prefix comes first.
    aliases.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    aliases.iter().for_each(|(_, line)| text.push_str(line));
    text.push_str(&pools(fit.iter().map(|(_, each)| *each)));
    text.push_str(&block(" process-group=own-gil"));
    text
}

fn block(selectors: &str) -> String {
    format!("<WSGIInterpreterOptions{selectors}>\n    WSGIPerInterpreterGIL On\n</WSGIInterpreterOptions>\n")
}

/// Thread pools that live when an interpreter is destroyed crash the process (measured with mod_wsgi 6.1.1).
fn pools<'a>(mut applications: impl Iterator<Item = &'a Application>) -> String {
    let has = |each: &Application| each.hazards.iter().any(|hazard| hazard.rule == "thread-pool");
    match applications.any(has) {
        true => "# A thread pool that lives when a sub-interpreter is destroyed crashes mod_wsgi 6.1.1.\n\
                 WSGIDestroyInterpreter Off\n"
            .to_owned(),
        false => String::new(),
    }
}

fn judged<'a>(report: &'a Document, application: &Application) -> Option<&'a Judged> {
    report.application(&application.name, Mode::OwnGil)
}

/// What no choice among the applications could change: scripts that use the environment as a whole, and what the
/// report is about. `None` where nothing of that is in the way.
fn vetoes(report: &Document) -> Option<String> {
    if report.decided_by() == DecidedBy::Modules {
        return Some(
            "the report is about extension modules: audit the environment that uses them\n".to_owned(),
        );
    }
    let exercises = report.exercises.iter().filter(|each| each.application.is_none());
    let judged = exercises.filter_map(|each| Some((each, &each.modes.get(&Mode::OwnGil)?.judged)));
    let bad = judged.filter(|(_, judged)| judged.verdict <= Verdict::Unknown);
    let lines: String = bad.map(|(each, judged)| line(&each.file, judged)).collect();
    (!lines.is_empty()).then_some(lines)
}

/// `numpy: blocked: ...`
fn line(name: &str, judged: &Judged) -> String {
    format!("{}: {}: {}\n", comment(name), judged.verdict, comment(&judged.reason))
}

fn is_fit(judged: Option<&Judged>) -> bool {
    judged.is_some_and(|judged| match judged.verdict {
        Verdict::Ready | Verdict::Degraded => true,
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => false,
    })
}

/// `shop.wsgi:application: blocked: ...`, with its hazards.
fn why(report: &Document, application: &Application) -> String {
    let (verdict, reason) = match judged(report, application) {
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

/// A word that can name a group.
fn group(name: &str) -> String {
    let name = name.rsplit_once(':').map_or(name, |(module, _)| module);
    let name = name.rsplit('/').next().unwrap_or(name);
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}

/// Text from strangers, on one line of a comment that Apache does not continue.
fn comment(text: &str) -> String {
    escape_within(text, 300).replace('\n', " ").trim_end_matches('\\').to_owned()
}

/// A word of a configuration (Apache, `ap_getword_conf`).
fn quoted(text: &str) -> String {
    format!("\"{}\"", escape_within(text, 4096).replace('\\', "\\\\").replace('"', "\\\""))
}
