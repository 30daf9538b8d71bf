//! Options of a daemon process for an application: those of the process that serves it now, or those that the
//! audit used. Pure functions.

use std::path::Path;

use super::apache_syntax::{format_option, quote_word};
use crate::report::Document;
use crate::report::v1::Application;

/// The options of a `WSGIDaemonProcess` as name and value, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProcessOptions(Vec<(String, String)>);

impl ProcessOptions {
    /// Returns the options for an application: those of the daemon process that serves it in the report's
    /// Apache configuration. Without one: the environment, the folder that its module is imported from, a
    /// UTF-8 locale for file names, and mod_wsgi's default number of threads.
    pub(super) fn for_application(report: &Document, application: &Application) -> Self {
        let apache = report.apache.as_ref();
        let mounts = apache.iter().flat_map(|apache| &apache.landings);
        let mut its = mounts.filter(|mount| mount.application.as_ref() == Some(&application.name));
        let process = its.find(|mount| !mount.process_group.is_empty()).map(|mount| &mount.process_group);
        let present = process
            .and_then(|process| apache?.daemons.iter().find(|daemon| daemon.name == *process))
            .map(|daemon| daemon.options.clone().into_iter().collect());
        let mut options = Self(present.unwrap_or_default());
        options.add_python_home(report);
        if process.is_none() {
            if let Some(folder) = module_folder(report, application) {
                options.add_option("python-path", &folder);
            }
            options.add_option("lang", "C.UTF-8");
            options.add_option("threads", "15");
        }
        options
    }

    /// Returns the options for the environment without an application.
    pub(super) fn for_environment(report: &Document) -> Self {
        let mut options = Self::default();
        options.add_python_home(report);
        options.add_option("lang", "C.UTF-8");
        options.add_option("threads", "15");
        options
    }

    /// Returns the given options with the audited environment added.
    pub(super) fn new(options: Vec<(String, String)>, report: &Document) -> Self {
        let mut all = Self(options);
        all.add_python_home(report);
        all
    }

    fn add_python_home(&mut self, report: &Document) {
        if let Some(root) = audited_environment(report) {
            self.add_option("python-home", root);
        }
    }

    fn add_option(&mut self, name: &str, value: &str) {
        if !self.0.iter().any(|(given, _)| given == name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Sets an option, whatever it was before.
    pub(super) fn replace_option(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(given, _)| given == name) {
            Some((_, given)) => value.clone_into(given),
            None => self.add_option(name, value),
        }
    }

    /// Removes an option.
    pub(super) fn remove_option(&mut self, name: &str) {
        self.0.retain(|(given, _)| given != name);
    }

    /// Renders the directive.
    pub(super) fn render_directive(&self, name: &str) -> String {
        let paths = ["python-home", "python-path", "home"];
        let options = self.0.iter().map(|(name, value)| match paths.contains(&name.as_str()) {
            true => format!(" {name}={}", quote_word(value)),
            false => format!(" {}", format_option(name, value)),
        });
        format!(
            "WSGIDaemonProcess {}{}\n",
            super::apache_syntax::format_word(name),
            options.collect::<String>()
        )
    }
}

/// Returns the root of the audited environment; `None` if the report does not contain it.
pub(super) fn audited_environment(report: &Document) -> Option<&str> {
    let header = report.header.as_ref()?;
    header.places.get("environment").map(String::as_str)
}

/// Returns the folder that must be on `sys.path` for the application's module: `/srv/site` for `shop.wsgi` in
/// `/srv/site/shop/wsgi.py`. `None` if the application was named by its file or is installed in the
/// environment.
pub(super) fn module_folder(report: &Document, application: &Application) -> Option<String> {
    let module = application.name.rsplit_once(':').map_or(application.name.as_str(), |(module, _)| module);
    if module.contains('/') {
        return None;
    }
    let file = Path::new(&application.file);
    let is_package = file.file_stem().is_some_and(|stem| stem == "__init__");
    let ups = module.split('.').count() + usize::from(is_package);
    let folder = file.ancestors().nth(ups)?;
    let is_installed = audited_environment(report).is_some_and(|root| folder.starts_with(root));
    let folder = folder.to_string_lossy().into_owned();
    (!is_installed && !folder.is_empty()).then_some(folder)
}
