//! What to write for other servers, so that they run an application like a configuration. Pure functions.

use super::configuration::ServerConfiguration;
use super::document::ServerSettings;
use super::server_arguments::{list_serve_options, render_serve_toml};
use crate::directive::{TunedProcess, render_tuned_process};
use crate::model::Mode;
use crate::report::Document;
use crate::shell_word::quote_shell_word;

/// What the settings are for.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServedSubject<'a> {
    /// The audit.
    pub(super) report: &'a Document,
    /// The application, as the report and `serve` name it.
    pub(super) application: &'a str,
    /// The environment that the configuration uses.
    pub(super) environment: &'a str,
    /// The modes that the audit allows.
    pub(super) allowed: &'a [Mode],
}

/// Lists settings for `serve`, mod_wsgi, gunicorn and granian.
pub(super) fn list_settings(
    configuration: &ServerConfiguration,
    subject: &ServedSubject<'_>,
) -> Vec<ServerSettings> {
    let mut all = list_settings_for_serve(configuration, subject);
    all.push(render_for_mod_wsgi(configuration, subject));
    all.push(render_for_gunicorn(configuration, subject));
    all.push(render_for_granian(configuration, subject));
    all
}

fn list_settings_for_serve(
    configuration: &ServerConfiguration,
    subject: &ServedSubject<'_>,
) -> Vec<ServerSettings> {
    let words = ["wsgiaudit".to_owned(), "serve".to_owned(), "-e".to_owned(), subject.environment.to_owned()];
    let command = words.into_iter().chain(list_serve_options(configuration));
    let command = command.chain([subject.application.to_owned()]);
    let command: Vec<String> = command.map(|word| quote_shell_word(&word)).collect();
    let settings = |server: &str, text: String, note: &str| ServerSettings {
        server: server.to_owned(),
        text: Some(text),
        note: note.to_owned(),
    };
    let note = "measured";
    let mut all = vec![settings("wsgiaudit serve", command.join(" ") + "\n", note)];
    let processes = match configuration.processes {
        1 => note.to_owned(),
        count => format!("{note}; with --processes {count} on the command line"),
    };
    all.push(settings("serve.toml", render_serve_toml(configuration), &processes));
    all
}

/// mod_wsgi serves an application in one interpreter of each process. Several interpreters become processes.
fn render_for_mod_wsgi(configuration: &ServerConfiguration, subject: &ServedSubject<'_>) -> ServerSettings {
    let is_spread = configuration.interpreters > 1;
    // A switch interval needs an own GIL.
    let is_main_enough = configuration.switch_interval.is_none() && subject.allowed.contains(&Mode::Main);
    let mode = match is_spread && is_main_enough {
        true => Mode::Main,
        false => configuration.mode,
    };
    let process = TunedProcess {
        mode,
        processes: configuration.all_interpreters(),
        threads: configuration.threads,
        switch_interval: configuration.switch_interval,
        environment: configuration.mode.is_free_threaded().then_some(subject.environment),
    };
    let (text, why) = match render_tuned_process(subject.report, subject.application, &process) {
        Ok(text) => (Some(text), String::new()),
        Err(why) => (None, why.split("\nhint: ").next().unwrap_or_default().to_owned()),
    };
    let note = match (text.is_some(), is_spread) {
        (false, _) => why,
        (true, true) => format!(
            "not measured: mod_wsgi serves an application in one interpreter of each process, so {} interpreters \
             become as many processes",
            configuration.all_interpreters()
        ),
        (true, false) => "not measured".to_owned(),
    };
    ServerSettings { server: "mod_wsgi".to_owned(), text, note }
}

fn render_for_gunicorn(configuration: &ServerConfiguration, subject: &ServedSubject<'_>) -> ServerSettings {
    let (workers, threads) = (configuration.all_interpreters(), configuration.threads);
    render_for_workers(
        "gunicorn",
        configuration,
        subject,
        &format!("--workers {workers} --threads {threads}"),
    )
}

fn render_for_granian(configuration: &ServerConfiguration, subject: &ServedSubject<'_>) -> ServerSettings {
    let (workers, threads) = (configuration.all_interpreters(), configuration.threads);
    let options = format!("--interface wsgi --workers {workers} --blocking-threads {threads}");
    render_for_workers("granian", configuration, subject, &options)
}

/// Renders the command of a server whose workers are processes, each with one interpreter.
fn render_for_workers(
    server: &str,
    configuration: &ServerConfiguration,
    subject: &ServedSubject<'_>,
    options: &str,
) -> ServerSettings {
    let cannot = |why: &str| ServerSettings {
        server: server.to_owned(),
        text: None,
        note: format!("{server} cannot do this: {why}"),
    };
    if configuration.switch_interval.is_some() {
        return cannot("it sets no switch interval");
    }
    if !subject.allowed.contains(&Mode::Main) && !configuration.mode.is_free_threaded() {
        return cannot("its workers use the main interpreter, which the audit does not allow");
    }
    if subject.application.contains('/') || subject.application.contains('(') {
        return cannot("it takes the name of a module and of an object in it");
    }
    let python = match configuration.mode.is_free_threaded() {
        true => format!(", in {}", subject.environment),
        false => String::new(),
    };
    let spread = match configuration.interpreters {
        1 => String::new(),
        _ => format!(": {} interpreters become as many processes", configuration.all_interpreters()),
    };
    ServerSettings {
        server: server.to_owned(),
        text: Some(format!("{server} {options} {}\n", quote_shell_word(subject.application))),
        note: format!("not measured{spread}{python}"),
    }
}
