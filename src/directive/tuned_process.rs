//! Renders lines for Apache that serve one application with a given number of processes and threads. Pure functions.

use std::fmt::Write;

use super::apache_configuration::{MAIN_INTERPRETER_GROUP, own_gil_group};
use super::apache_syntax::{format_option, format_word, quote_word, render_interpreter_options};
use super::application_mounts::{
    ApplicationMount, callable_name, check_callable, group_name, render_header, resolve_mounts,
    thread_pool_directive,
};
use super::copies_steps::render_steps_for_scripts;
use super::process_options::ProcessOptions;
use crate::model::Mode;
use crate::report::Document;

/// How daemon processes are to serve an application.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TunedProcess<'a> {
    /// The kind of interpreter.
    pub mode: Mode,
    /// Number of processes.
    pub processes: usize,
    /// Threads of each process.
    pub threads: usize,
    /// The switch interval of the interpreter in seconds. Needs an own GIL.
    pub switch_interval: Option<f64>,
    /// The environment of the processes, if it is not the one that was audited.
    pub environment: Option<&'a str>,
}

/// Renders the lines for an application of a report. The report must support the mode: that is not checked here.
///
/// # Errors
/// A message if the application is not in the report, or mod_wsgi cannot serve its callable.
pub fn render_tuned_process(
    report: &Document,
    application: &str,
    process: &TunedProcess<'_>,
) -> Result<String, String> {
    let mounts = [ApplicationMount { application: application.to_owned(), prefix: "/".to_owned() }];
    let parts = resolve_mounts(report, &mounts)?;
    let Some((_, application)) = parts.first() else { return Ok(String::new()) };
    check_callable(application)?;
    let has_own_gil = matches!(process.mode, Mode::OwnGil | Mode::OwnGilCopies);
    let is_main = matches!(process.mode, Mode::Main | Mode::FreeThreaded);
    let name = if is_main { MAIN_INTERPRETER_GROUP } else { own_gil_group(process.mode) };
    let group = if is_main { "%{GLOBAL}".to_owned() } else { group_name(application) };
    let mut options = ProcessOptions::for_application(report, application);
    if let Some(environment) = process.environment {
        options.replace_option("python-home", environment);
    }
    match process.processes {
        // Even `processes=1` makes `wsgi.multiprocess` true.
        1 => options.remove_option("processes"),
        count => options.replace_option("processes", &count.to_string()),
    }
    options.replace_option("threads", &process.threads.to_string());
    let mut text = render_header(report);
    if process.mode == Mode::OwnGilCopies {
        text.push_str(&render_steps_for_scripts(report, &[&application.file], 1));
    }
    if process.mode.is_free_threaded() {
        text.push_str(
            "# For a mod_wsgi that is built for the free-threaded Python; it holds for all of Apache.\n",
        );
        text.push_str("WSGIFreeThreading On\n");
    }
    text.push_str(&options.render_directive(name));
    let callable = match callable_name(application) {
        "application" => String::new(),
        callable => format!(" callable-object={callable}"),
    };
    let groups = (format_option("process-group", name), format_option("application-group", &group));
    let (prefix, file) = (format_word("/"), quote_word(&application.file));
    let _ = writeln!(text, "WSGIScriptAlias {prefix} {file} {} {}{callable}", groups.0, groups.1);
    text.push_str(thread_pool_directive(std::iter::once(*application)));
    if has_own_gil {
        let interval = process.switch_interval.map(|seconds| format!("WSGISwitchInterval {seconds}"));
        let lines = ["WSGIPerInterpreterGIL On".to_owned()].into_iter().chain(interval);
        text.push_str(&render_interpreter_options(name, &group, &lines.collect::<Vec<_>>()));
    }
    Ok(text)
}
