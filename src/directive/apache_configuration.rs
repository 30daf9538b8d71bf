//! Renders lines for Apache's configuration: daemon processes, aliases and `<WSGIInterpreterOptions>` blocks,
//! with the reasons as comments. Pure functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::apache_syntax::{
    escape_comment, format_option, format_word, quote_word, render_interpreter_block,
};
use super::application_mounts::{
    ApplicationMount, GeneratedConfiguration, ResolvedMount, callable_name, check_callable, group_name,
    passes_in_mode, render_header, render_verdict_line, resolve_mounts, thread_pool_directive,
};
use super::copies_steps::{render_steps_for_new_script, render_steps_for_scripts};
use super::own_gil_modes::{OwnGilModes, explain_verdict, find_objection};
use super::process_options::ProcessOptions;
use crate::model::{Mode, Verdict};
use crate::report::v1::Application;
use crate::report::{Answer, DecidedBy, Document};

/// Renders the lines for these applications, or for the whole environment if there are none.
///
/// Each block names its process group: without one, it would also apply to applications that were not
/// audited. An application that must stay in the main interpreter gets its own process, because in a process
/// shared with other groups `%{GLOBAL}` is served by the wrong interpreter (measured with mod_wsgi 6.1.1).
///
/// # Errors
/// A message if an application is not in the report, mod_wsgi cannot serve its callable, or the report has no trials in
/// an allowed mode.
pub fn render_apache_configuration(
    report: &Document,
    mounts: &[ApplicationMount],
    allowed: OwnGilModes,
) -> Result<GeneratedConfiguration, String> {
    allowed.check_trials(report)?;
    let parts = resolve_mounts(report, mounts)?;
    parts.iter().try_for_each(|(_, each)| check_callable(each))?;
    let objection = find_objection(report, allowed);
    if report.decided_by() == DecidedBy::Modules {
        return Ok(GeneratedConfiguration::Nothing(objection.unwrap_or_default()));
    }
    if parts.is_empty() {
        return Ok(match objection {
            Some(objection) => render_environment_fallback(report, &objection, allowed),
            None => render_environment(report, allowed),
        });
    }
    if let Some(objection) = objection {
        return Ok(render_fallback(report, &objection, &parts, allowed));
    }
    let (fit, unfit): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|(_, each)| allowed.choose_mode(report, each).is_some());
    if fit.is_empty() {
        return Ok(render_fallback(report, "", &unfit, allowed));
    }
    let lines = render_applications(report, &fit, &unfit, allowed);
    Ok(GeneratedConfiguration::Lines(render_header(report) + &lines))
}

/// Renders lines for applications that cannot have their own GIL: they use the main interpreter. Applications that fail
/// there too have no lines. `why` holds further reasons, a line each.
fn render_fallback(
    report: &Document,
    why: &str,
    parts: &[ResolvedMount<'_>],
    allowed: OwnGilModes,
) -> GeneratedConfiguration {
    let (works, fails): (Vec<_>, Vec<_>) =
        parts.iter().copied().partition(|(_, each)| passes_in_mode(report, each, Mode::Main));
    if works.is_empty() {
        let lines = parts.iter().map(|(_, each)| format!("{}\n", explain_verdict(report, each, allowed)));
        return GeneratedConfiguration::Nothing(why.to_owned() + &lines.collect::<String>());
    }
    let mut text = render_header(report) + &render_refusal(why, allowed);
    for (_, each) in fails {
        let why = explain_verdict(report, each, allowed);
        let _ = writeln!(text, "# {why}: it fails in the main interpreter too, and has no lines here.");
    }
    let shared: Vec<&str> = works
        .iter()
        .filter(|(_, each)| passes_in_mode(report, each, Mode::SharedGil))
        .map(|(_, each)| each.name.as_str())
        .collect();
    text.push_str(&render_applications(report, &[], &works, allowed));
    if !shared.is_empty() {
        let names = escape_comment(&shared.join(", "));
        let _ = writeln!(text, "# Application groups that share a GIL are fit for {names}, too.");
    }
    GeneratedConfiguration::Fallback(text)
}

/// Says that the lines that follow are without an own GIL. `why` holds reasons, a line each.
fn render_refusal(why: &str, allowed: OwnGilModes) -> String {
    let reasons: String = why.lines().map(|line| format!("# {line}\n")).collect();
    let refused = allowed.describe_refusal();
    format!("# It does not support {refused}. These lines use the main interpreter.\n{reasons}")
}

/// Renders lines for an environment that does not support an own GIL: they use the main interpreter of a process. There
/// are none if nothing of the environment works in that interpreter.
fn render_environment_fallback(report: &Document, why: &str, allowed: OwnGilModes) -> GeneratedConfiguration {
    if !report.works_in_main() {
        return GeneratedConfiguration::Nothing(why.to_owned());
    }
    let process = ProcessOptions::for_environment(report).render_directive(MAIN_INTERPRETER_GROUP);
    let fails = report
        .distributions
        .iter()
        .filter(|row| row.modes.get(&Mode::Main).is_some_and(|judged| judged.verdict <= Verdict::Unknown));
    let fails: Vec<&str> = fails.map(|row| row.name.as_deref().unwrap_or("(no distribution)")).collect();
    let fails = match fails.is_empty() {
        true => String::new(),
        false => {
            format!(
                "# Something of these is not known to work in the main interpreter: {}\n",
                escape_comment(&fails.join(", "))
            )
        }
    };
    GeneratedConfiguration::Fallback(format!(
        "{}{}{fails}# Give each application a process group of its own: two must not share a main interpreter.\n\
         {process}WSGIProcessGroup {MAIN_INTERPRETER_GROUP}\nWSGIApplicationGroup %{{GLOBAL}}\n",
        render_header(report),
        render_refusal(why, allowed)
    ))
}

/// Renders the lines for an environment that was audited without an application.
fn render_environment(report: &Document, allowed: OwnGilModes) -> GeneratedConfiguration {
    let passes = |answer: &Answer<'_>| answer.verdict() > Verdict::Unknown;
    let mut answers = allowed.list_modes().iter().filter_map(|mode| report.compute_answer(*mode));
    let best = answers.clone().find(passes).or_else(|| answers.next_back());
    let Some(answer) = best else {
        return GeneratedConfiguration::Nothing("the report has no trials with an own GIL\n".to_owned());
    };
    let lines = |wanted: &dyn Fn(Verdict) -> bool| -> String {
        let deciders = answer.deciders.iter().filter(|each| wanted(each.judged.verdict));
        deciders
            .map(|each| render_verdict_line(each.name.unwrap_or("(no distribution)"), each.judged))
            .collect()
    };
    let reasons = match answer.verdict() {
        Verdict::Ready => "# Everything in the environment is ready.\n".to_owned(),
        Verdict::Degraded => {
            let lost = lines(&|verdict| verdict == Verdict::Degraded);
            lost.lines().map(|line| format!("# {line}\n")).collect()
        }
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => {
            let bad = lines(&|verdict| verdict <= Verdict::Unknown);
            return match bad.is_empty() {
                true => GeneratedConfiguration::Nothing(
                    "the report has no trials of the environment\n".to_owned(),
                ),
                false => render_environment_fallback(report, &bad, allowed),
            };
        }
    };
    let group = own_gil_group(answer.mode);
    let process = ProcessOptions::for_environment(report).render_directive(group);
    let copies = match answer.mode == Mode::OwnGilCopies {
        true => render_steps_for_new_script(report),
        false => String::new(),
    };
    GeneratedConfiguration::Lines(format!(
        "{}{reasons}# No application was audited. To serve one here, set process-group={group} and any\n\
         # application-group except %{{GLOBAL}}, which is the main interpreter and uses the process's GIL.\n\
         {copies}{process}<WSGIInterpreterOptions process-group={group}>\n    WSGIPerInterpreterGIL On\n\
         </WSGIInterpreterOptions>\n",
        render_header(report)
    ))
}

/// The process group whose interpreters have their own GIL in this mode.
pub(super) fn own_gil_group(mode: Mode) -> &'static str {
    mode.name()
}

/// The process group of applications that stay in the main interpreter.
pub(super) const MAIN_INTERPRETER_GROUP: &str = "main-interpreter";

/// The process group and application group assigned to an application.
struct InterpreterAssignment<'a> {
    part: ResolvedMount<'a>,
    process: String,
    application: String,
    options: ProcessOptions,
    mode: Mode,
}

fn render_applications(
    report: &Document,
    fit: &[ResolvedMount<'_>],
    unfit: &[ResolvedMount<'_>],
    allowed: OwnGilModes,
) -> String {
    let mut text = String::new();
    for (mount, each) in fit {
        let _ =
            writeln!(text, "# {}: {}", escape_comment(&mount.prefix), explain_verdict(report, each, allowed));
    }
    for (mount, each) in unfit {
        let (prefix, why) = (escape_comment(&mount.prefix), explain_verdict(report, each, allowed));
        let _ = writeln!(
            text,
            "# {prefix}: {why}: it stays in the main interpreter (%{{GLOBAL}}), in its\n\
             # own process group: next to other groups, mod_wsgi 6.1.1 serves %{{GLOBAL}} in the \
             wrong interpreter."
        );
    }
    let own = assign_own_gil(report, fit, allowed);
    text.push_str(&render_copies_steps(report, &own));
    let main = assign_main_interpreter(report, unfit);
    let mut written = Vec::new();
    for target in own.iter().chain(&main) {
        if !written.contains(&&target.process) {
            text.push_str(&target.options.render_directive(&target.process));
            written.push(&target.process);
        }
    }
    let mut aliases: Vec<_> = own.iter().chain(&main).collect();
    // Apache uses the first alias that matches: the longest prefix comes first.
    aliases.sort_by_key(|target| (std::cmp::Reverse(target.part.0.prefix.len()), &target.part.0.prefix));
    aliases.iter().for_each(|target| text.push_str(&render_script_alias(target)));
    text.push_str(thread_pool_directive(fit.iter().map(|(_, each)| *each)));
    let mut blocks: Vec<String> = Vec::new();
    for target in &own {
        let block = render_interpreter_block(&target.process, &target.application, true);
        if !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    text + &blocks.concat()
}

/// Assigns one process to all applications with the same mode and process options: their interpreters run in parallel
/// there.
fn assign_own_gil<'a>(
    report: &Document,
    fit: &[ResolvedMount<'a>],
    allowed: OwnGilModes,
) -> Vec<InterpreterAssignment<'a>> {
    let mut all: Vec<InterpreterAssignment<'a>> = Vec::new();
    for part in fit {
        let options = ProcessOptions::for_application(report, part.1);
        let mode = allowed.choose_explained_mode(report, part.1);
        let shared = all.iter().find(|other| other.options == options && other.mode == mode);
        let shared = shared.map(|other| other.process.clone());
        let process = shared.unwrap_or_else(|| choose_process_name(own_gil_group(mode), part.1, &all));
        // Two mounts of one application share an interpreter; two applications whose groups have the same
        // name do not.
        let same = all.iter().find(|other| other.part.1.name == part.1.name && other.process == process);
        let application = same.map(|other| other.application.clone()).unwrap_or_else(|| {
            let taken: Vec<&str> = all.iter().map(|other| other.application.as_str()).collect();
            unused_name(&group_name(part.1), &taken)
        });
        all.push(InterpreterAssignment { part: *part, process, application, options, mode });
    }
    all
}

/// Renders how to make and use the private copies that these interpreters need.
fn render_copies_steps(report: &Document, own: &[InterpreterAssignment<'_>]) -> String {
    let need: Vec<&InterpreterAssignment<'_>> =
        own.iter().filter(|each| each.mode == Mode::OwnGilCopies).collect();
    let mut interpreters: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for each in &need {
        interpreters.entry(&each.process).or_default().insert(&each.application);
    }
    let most = interpreters.values().map(BTreeSet::len).max().unwrap_or_default();
    let scripts: Vec<&str> = need.iter().map(|each| each.part.1.file.as_str()).collect();
    render_steps_for_scripts(report, &scripts, most)
}

/// Assigns each application its own process: applications must not share a main interpreter.
fn assign_main_interpreter<'a>(
    report: &Document,
    unfit: &[ResolvedMount<'a>],
) -> Vec<InterpreterAssignment<'a>> {
    let mut all: Vec<InterpreterAssignment<'a>> = Vec::new();
    for part in unfit {
        let same =
            all.iter().find(|other| other.part.1.name == part.1.name).map(|other| other.process.clone());
        let process = same.unwrap_or_else(|| choose_process_name(MAIN_INTERPRETER_GROUP, part.1, &all));
        let options = ProcessOptions::for_application(report, part.1);
        all.push(InterpreterAssignment {
            part: *part,
            process,
            application: "%{GLOBAL}".to_owned(),
            options,
            mode: Mode::Main,
        });
    }
    all
}

/// Returns a process group name that no other assignment uses.
fn choose_process_name(
    plain: &str,
    application: &Application,
    others: &[InterpreterAssignment<'_>],
) -> String {
    let taken: Vec<&str> = others.iter().map(|other| other.process.as_str()).collect();
    unused_process_name(plain, application, &taken)
}

/// Returns an unused process group name: the plain one, or one with the application's name appended.
pub(super) fn unused_process_name(plain: &str, application: &Application, taken: &[&str]) -> String {
    match taken.contains(&plain) {
        false => plain.to_owned(),
        true => unused_name(&format!("{plain}-{}", group_name(application)), taken),
    }
}

/// Returns an unused name: `shop`, else `shop-2` and so on.
pub(super) fn unused_name(name: &str, taken: &[&str]) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut all = std::iter::once(name.to_owned()).chain(numbered);
    all.find(|name| !taken.contains(&name.as_str())).unwrap_or_default()
}

fn render_script_alias(target: &InterpreterAssignment<'_>) -> String {
    let (mount, application) = target.part;
    let callable = match callable_name(application) {
        "application" => String::new(),
        callable => format!(" callable-object={callable}"),
    };
    let groups = (
        format_option("process-group", &target.process),
        format_option("application-group", &target.application),
    );
    let (prefix, file) = (format_word(&mount.prefix), quote_word(&application.file));
    format!("WSGIScriptAlias {prefix} {file} {} {}{callable}\n", groups.0, groups.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_numbered() {
        assert_eq!(unused_name("shop", &[]), "shop");
        assert_eq!(unused_name("shop", &["shop", "shop-2"]), "shop-3");
    }
}
