//! How an Apache configuration deploys WSGI applications.

use std::fmt;
use std::path::PathBuf;

use super::{Mode, RuleId};

/// A line of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigLocation {
    /// The file.
    pub file: PathBuf,
    /// The line number, from 1; of a continued line, the last one.
    pub line: usize,
}

impl fmt::Display for ConfigLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// An Apache configuration: its process groups, mounts and findings.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The configuration file that the user passed.
    pub file: PathBuf,
    /// The process groups (`WSGIDaemonProcess`), by name.
    pub daemons: Vec<DaemonProcess>,
    /// `WSGIPythonPath`, for Apache's own processes.
    pub python_path: Vec<PathBuf>,
    /// Where each WSGI script is mounted.
    pub landings: Vec<ScriptMount>,
    /// Directives that have no effect, a wrong one or a hidden one.
    pub findings: Vec<DeploymentFinding>,
    /// What could not be determined, with the configuration line.
    pub not_told: Vec<(ConfigLocation, String)>,
}

/// A process group (`WSGIDaemonProcess`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonProcess {
    /// Its name.
    pub name: String,
    /// Its options, in order.
    pub options: Vec<(String, String)>,
    /// The line that defines it.
    pub place: ConfigLocation,
}

/// Options that add to the front of an interpreter's `sys.path`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PythonPathOptions {
    /// `home=` of the daemon process.
    pub home: Option<PathBuf>,
    /// `python-path=` of the daemon process, or `WSGIPythonPath`, in search order.
    pub folders: Vec<PathBuf>,
}

/// A mounted WSGI script: its URL, its process group and its application group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptMount {
    /// The virtual host; empty for the main server.
    pub host: String,
    /// The URL prefix, or a regular expression.
    pub url: String,
    /// URLs below `url` that the script does not serve (`Alias`, `Redirect`, another handler): prefixes or
    /// regular expressions.
    pub except: Vec<String>,
    /// The line that restricts access to some clients.
    pub limited: Option<ConfigLocation>,
    /// The WSGI script.
    pub script: PathBuf,
    /// The name of the WSGI callable in the script.
    pub callable: String,
    /// The daemon process group; empty for Apache's own processes.
    pub process_group: String,
    /// The application group; empty for the main interpreter (`%{GLOBAL}`).
    pub application_group: String,
    /// Other application groups that a client can select with the `Host:` header that it sends.
    /// `%{HTTP_PORT}` stands for any port, `%{HTTP_HOST}` for any name.
    pub other_groups: Vec<String>,
    /// The mode of its interpreter.
    pub mode: Mode,
    /// The HTTP status that mod_wsgi returns instead of calling the application.
    pub status: Option<u16>,
    /// The application's name in the report; `None` if it was not audited.
    pub application: Option<String>,
    /// The line that mounts it.
    pub place: ConfigLocation,
}

/// A finding about a line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeploymentFinding {
    /// The line.
    pub place: ConfigLocation,
    /// The rule.
    pub rule: RuleId,
    /// The mode it is about.
    pub mode: Mode,
    /// A description in one line.
    pub text: String,
    /// The application whose verdict it repeats. Then that verdict decides, not this finding.
    pub application: Option<String>,
}
