//! Options of a daemon process for an application: those of the process that serves it now, else what the audit used. Pure.

use std::path::Path;

use super::words::{option, quoted};
use crate::report::Document;
use crate::report::v1::Application;

/// `name="value"` of a `WSGIDaemonProcess`, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProcessOptions(Vec<(String, String)>);

impl ProcessOptions {
    /// Of an application: those of the daemon process that the report's configuration serves it in. Without one, the
    /// environment, the folder that its module is imported from, UTF-8 for file names, and mod_wsgi's number of threads.
    pub(super) fn of(report: &Document, application: &Application) -> Self {
        let apache = report.apache.as_ref();
        let landings = apache.iter().flat_map(|apache| &apache.landings);
        let mut its = landings.filter(|landing| landing.application.as_ref() == Some(&application.name));
        let process =
            its.find(|landing| !landing.process_group.is_empty()).map(|landing| &landing.process_group);
        let present = process
            .and_then(|process| apache?.daemons.iter().find(|daemon| daemon.name == *process))
            .map(|daemon| daemon.options.clone().into_iter().collect());
        let mut options = Self(present.unwrap_or_default());
        options.add_home(report);
        if process.is_none() {
            if let Some(folder) = module_folder(report, application) {
                options.add("python-path", &folder);
            }
            options.add("lang", "C.UTF-8");
            options.add("threads", "15");
        }
        options
    }

    /// Of no application: what uses the environment.
    pub(super) fn of_environment(report: &Document) -> Self {
        let mut options = Self::default();
        options.add_home(report);
        options.add("lang", "C.UTF-8");
        options.add("threads", "15");
        options
    }

    /// Those that a configuration gives now, in the audited environment.
    pub(super) fn new(options: Vec<(String, String)>, report: &Document) -> Self {
        let mut all = Self(options);
        all.add_home(report);
        all
    }

    fn add_home(&mut self, report: &Document) {
        if let Some(root) = environment(report) {
            self.add("python-home", root);
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        if !self.0.iter().any(|(given, _)| given == name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The directive.
    pub(super) fn line(&self, name: &str) -> String {
        let paths = ["python-home", "python-path", "home"];
        let options = self.0.iter().map(|(name, value)| match paths.contains(&name.as_str()) {
            true => format!(" {name}={}", quoted(value)),
            false => format!(" {}", option(name, value)),
        });
        format!("WSGIDaemonProcess {}{}\n", super::words::word(name), options.collect::<String>())
    }
}

/// The root of the environment that was audited; `None` where the report does not tell.
pub(super) fn environment(report: &Document) -> Option<&str> {
    let header = report.header.as_ref()?;
    header.places.get("environment").map(String::as_str)
}

/// The folder that has to be on `sys.path` for the application's module: `/srv/site` for `shop.wsgi` in
/// `/srv/site/shop/wsgi.py`. `None` where it was named by its file, and where it is installed in the environment.
pub(super) fn module_folder(report: &Document, application: &Application) -> Option<String> {
    let module = application.name.rsplit_once(':').map_or(application.name.as_str(), |(module, _)| module);
    if module.contains('/') {
        return None;
    }
    let file = Path::new(&application.file);
    let is_package = file.file_stem().is_some_and(|stem| stem == "__init__");
    let ups = module.split('.').count() + usize::from(is_package);
    let folder = file.ancestors().nth(ups)?;
    let is_installed = environment(report).is_some_and(|root| folder.starts_with(root));
    let folder = folder.to_string_lossy().into_owned();
    (!is_installed && !folder.is_empty()).then_some(folder)
}
