//! Lines for Apache's configuration: daemon processes, aliases and `<WSGIInterpreterOptions>` blocks, with the reasons as
//! comments. Pure.

use std::fmt::Write;

use super::applications::{
    Directive, Mount, Part, callable, check_callable, for_thread_pools, group, head, is_fit, objection,
    parts, verdict_line, why,
};
use super::process::ProcessOptions;
use super::words::{comment, interpreter_block, option, quoted, word};
use crate::model::{Mode, Verdict};
use crate::report::Document;
use crate::report::v1::Application;

/// The lines for these applications, or for the environment where there are none. Each block names its process group: one
/// without would change applications that were never audited. What must stay in the main interpreter gets a process of its own,
/// since one that is shared with other groups serves `%{GLOBAL}` by the wrong interpreter (measured with mod_wsgi 6.1.1).
///
/// # Errors
/// In words, where an application is not in the report, or mod_wsgi cannot serve it as it is named.
pub fn directives(report: &Document, mounts: &[Mount]) -> Result<Directive, String> {
    let parts = parts(report, mounts)?;
    parts.iter().try_for_each(|(_, each)| check_callable(each))?;
    if let Some(objection) = objection(report) {
        return Ok(Directive::Nothing(objection));
    }
    if parts.is_empty() {
        return Ok(environment(report));
    }
    let (fit, unfit): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(_, each)| is_fit(report, each));
    if fit.is_empty() {
        let lines = unfit.iter().map(|(_, each)| format!("{}\n", why(report, each)));
        return Ok(Directive::Nothing(lines.collect()));
    }
    Ok(Directive::Lines(head(report) + &applications(report, &fit, &unfit)))
}

/// The lines for an environment that was audited without an application.
fn environment(report: &Document) -> Directive {
    let Some(answer) = report.answer(Mode::OwnGil) else {
        return Directive::Nothing("an own GIL was not tried\n".to_owned());
    };
    let lines = |wanted: &dyn Fn(Verdict) -> bool| -> String {
        let deciders = answer.deciders.iter().filter(|each| wanted(each.judged.verdict));
        deciders.map(|each| verdict_line(each.name.unwrap_or("(no distribution)"), each.judged)).collect()
    };
    let reasons = match answer.verdict() {
        Verdict::Ready => "# Everything in the environment is ready.\n".to_owned(),
        Verdict::Degraded => {
            let lost = lines(&|verdict| verdict == Verdict::Degraded);
            lost.lines().map(|line| format!("# {line}\n")).collect()
        }
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => {
            let bad = lines(&|verdict| verdict <= Verdict::Unknown);
            return Directive::Nothing(if bad.is_empty() {
                "nothing here was tried\n".to_owned()
            } else {
                bad
            });
        }
    };
    let process = ProcessOptions::of_environment(report).line(OWN_GIL);
    Directive::Lines(format!(
        "{}{reasons}# No application was audited. Serve one here with process-group={OWN_GIL} and an application-group that is\n\
         # not %{{GLOBAL}}: that is the main interpreter, and it keeps the process's GIL.\n\
         {process}<WSGIInterpreterOptions process-group={OWN_GIL}>\n    WSGIPerInterpreterGIL On\n\
         </WSGIInterpreterOptions>\n",
        head(report)
    ))
}

/// The process group whose interpreters have their own GIL.
pub(super) const OWN_GIL: &str = "own-gil";
/// The process group of what stays in the main interpreter.
pub(super) const MAIN: &str = "main-interpreter";

/// Where an application goes.
struct Target<'a> {
    part: Part<'a>,
    process: String,
    application: String,
    options: ProcessOptions,
}

fn applications(report: &Document, fit: &[Part<'_>], unfit: &[Part<'_>]) -> String {
    let mut text = String::new();
    for (mount, each) in fit {
        let _ = writeln!(text, "# {}: {}", comment(&mount.prefix), why(report, each));
    }
    for (mount, each) in unfit {
        let (prefix, why) = (comment(&mount.prefix), why(report, each));
        let _ = writeln!(
            text,
            "# {prefix}: {why}: it stays in the main interpreter (%{{GLOBAL}}), in a process\n\
             # group of its own: beside other groups mod_wsgi 6.1.1 serves %{{GLOBAL}} by the wrong interpreter."
        );
    }
    let own = with_own_gil(report, fit);
    let main = in_main(report, unfit);
    let mut written = Vec::new();
    for target in own.iter().chain(&main) {
        if !written.contains(&&target.process) {
            text.push_str(&target.options.line(&target.process));
            written.push(&target.process);
        }
    }
    let mut aliases: Vec<_> = own.iter().chain(&main).collect();
    // Apache takes the first alias that fits: the longest prefix comes first.
    aliases.sort_by_key(|target| (std::cmp::Reverse(target.part.0.prefix.len()), &target.part.0.prefix));
    aliases.iter().for_each(|target| text.push_str(&alias(target)));
    text.push_str(for_thread_pools(fit.iter().map(|(_, each)| *each)));
    let mut blocks: Vec<String> = Vec::new();
    for target in &own {
        let block = interpreter_block(&target.process, &target.application, true);
        if !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    text + &blocks.concat()
}

/// One process for all whose options are the same: there interpreters with an own GIL run at the same time.
fn with_own_gil<'a>(report: &Document, fit: &[Part<'a>]) -> Vec<Target<'a>> {
    let mut all: Vec<Target<'a>> = Vec::new();
    for part in fit {
        let options = ProcessOptions::of(report, part.1);
        let shared = all.iter().find(|other| other.options == options).map(|other| other.process.clone());
        let process = shared.unwrap_or_else(|| process_name(OWN_GIL, part.1, &all));
        // The same application twice is one interpreter; two of the same name are two.
        let same = all.iter().find(|other| other.part.1.name == part.1.name && other.process == process);
        let application = same.map(|other| other.application.clone()).unwrap_or_else(|| {
            let taken: Vec<&str> = all.iter().map(|other| other.application.as_str()).collect();
            unused(&group(part.1), &taken)
        });
        all.push(Target { part: *part, process, application, options });
    }
    all
}

/// A process for each: an interpreter that two applications share is theirs no more.
fn in_main<'a>(report: &Document, unfit: &[Part<'a>]) -> Vec<Target<'a>> {
    let mut all: Vec<Target<'a>> = Vec::new();
    for part in unfit {
        let same =
            all.iter().find(|other| other.part.1.name == part.1.name).map(|other| other.process.clone());
        let process = same.unwrap_or_else(|| process_name(MAIN, part.1, &all));
        let options = ProcessOptions::of(report, part.1);
        all.push(Target { part: *part, process, application: "%{GLOBAL}".to_owned(), options });
    }
    all
}

/// A process group's name that no other target has: the plain one, else one with the application's name.
fn process_name(plain: &str, application: &Application, others: &[Target<'_>]) -> String {
    let taken: Vec<&str> = others.iter().map(|other| other.process.as_str()).collect();
    new_process_name(plain, application, &taken)
}

/// A process group's name that is not taken: the plain one, else one with the application's name.
pub(super) fn new_process_name(plain: &str, application: &Application, taken: &[&str]) -> String {
    match taken.contains(&plain) {
        false => plain.to_owned(),
        true => unused(&format!("{plain}-{}", group(application)), taken),
    }
}

/// A name that is not taken: `shop`, else `shop-2` and so on.
pub(super) fn unused(name: &str, taken: &[&str]) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut all = std::iter::once(name.to_owned()).chain(numbered);
    all.find(|name| !taken.contains(&name.as_str())).unwrap_or_default()
}

fn alias(target: &Target<'_>) -> String {
    let (mount, application) = target.part;
    let callable = match callable(application) {
        "application" => String::new(),
        callable => format!(" callable-object={callable}"),
    };
    let groups = (option("process-group", &target.process), option("application-group", &target.application));
    let (prefix, file) = (word(&mount.prefix), quoted(&application.file));
    format!("WSGIScriptAlias {prefix} {file} {} {}{callable}\n", groups.0, groups.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_numbered() {
        assert_eq!(unused("shop", &[]), "shop");
        assert_eq!(unused("shop", &["shop", "shop-2"]), "shop-3");
    }
}
