//! The arguments of `wsgiaudit serve` for a configuration, and its `serve.toml`. Pure functions.

use std::fmt::Write;

use super::configuration::ServerConfiguration;

/// Returns the options of `serve` for a configuration. One with a switch interval needs `serve.toml`.
pub(super) fn list_serve_options(configuration: &ServerConfiguration) -> Vec<String> {
    let mut options = Vec::new();
    let mut add = |name: &str, value: String| options.extend([format!("--{name}"), value]);
    if configuration.processes > 1 {
        add("processes", configuration.processes.to_string());
    }
    if configuration.switch_interval.is_some() {
        add("config", "serve.toml".to_owned());
        return options;
    }
    add("mode", configuration.mode.to_string());
    if configuration.interpreters > 1 {
        add("interpreters", configuration.interpreters.to_string());
    }
    add("threads", configuration.threads.to_string());
    options
}

/// Renders the `serve.toml` of a configuration. The number of processes is an option of the command line.
pub(super) fn render_serve_toml(configuration: &ServerConfiguration) -> String {
    let ServerConfiguration { mode, interpreters, threads, .. } = configuration;
    let mut text = format!(
        "[[group]]\nname = \"tuned\"\nmode = \"{mode}\"\ninterpreters = {interpreters}\nthreads = {threads}\n"
    );
    if let Some(seconds) = configuration.switch_interval {
        let _ = writeln!(text, "switch-interval = {seconds}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mode;

    #[test]
    fn options_are_those_that_are_needed() {
        let simplest = ServerConfiguration::simplest_of(Mode::Main);
        assert_eq!(list_serve_options(&simplest).join(" "), "--mode main --threads 1");
        let own = ServerConfiguration { processes: 2, interpreters: 3, mode: Mode::OwnGil, ..simplest };
        let options = "--processes 2 --mode own-gil --interpreters 3 --threads 1";
        assert_eq!(list_serve_options(&own).join(" "), options);
        let short = ServerConfiguration { switch_interval: Some(0.0001), ..own };
        assert_eq!(list_serve_options(&short).join(" "), "--processes 2 --config serve.toml");
        let toml = "[[group]]\nname = \"tuned\"\nmode = \"own-gil\"\ninterpreters = 3\nthreads = 1\n\
                    switch-interval = 0.0001\n";
        assert_eq!(render_serve_toml(&short), toml);
    }
}
