//! Where a web server's configuration puts applications.

use std::fmt;
use std::path::PathBuf;

use super::Mode;

/// A line of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigPlace {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; of a line that is continued, the last.
    pub line: usize,
}

impl fmt::Display for ConfigPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A configuration, and what it does with applications.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The file that was named.
    pub file: PathBuf,
    /// `WSGIDaemonProcess`, by name.
    pub daemons: Vec<DaemonProcess>,
    /// `WSGIPythonPath`, for Apache's own processes.
    pub python_path: Vec<PathBuf>,
    /// Where each application lands.
    pub landings: Vec<Landing>,
    /// What of it has no effect, the wrong one or a hidden one.
    pub findings: Vec<DeploymentFinding>,
    /// What could not be told, in words.
    pub not_told: Vec<(ConfigPlace, String)>,
}

/// A process group (`WSGIDaemonProcess`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonProcess {
    /// Its name.
    pub name: String,
    /// Its options, in order.
    pub options: Vec<(String, String)>,
    /// The line.
    pub place: ConfigPlace,
}

/// What a configuration puts in front of an interpreter's `sys.path`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModulePath {
    /// `home=` of the daemon process.
    pub home: Option<PathBuf>,
    /// `python-path=` of the daemon process, or `WSGIPythonPath`: in the order in which they are searched.
    pub folders: Vec<PathBuf>,
}

/// Where requests below a URL are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// The virtual host; empty for the main server.
    pub host: String,
    /// The prefix of the URLs, or the regular expression.
    pub url: String,
    /// URLs below that something else answers (`Alias`, `Redirect`, another handler), as prefixes or regular expressions.
    pub except: Vec<String>,
    /// The line that lets only some clients ask.
    pub limited: Option<ConfigPlace>,
    /// The WSGI script.
    pub script: PathBuf,
    /// The name in it.
    pub callable: String,
    /// The daemon process group; empty for Apache's own processes.
    pub process_group: String,
    /// The application group; empty for the main interpreter (`%{GLOBAL}`).
    pub application_group: String,
    /// Names that a client can give it in place of that one, by the `Host:` header that it sends; `%{HTTP_PORT}` stands for any
    /// port, `%{HTTP_HOST}` for any name.
    pub other_groups: Vec<String>,
    /// The kind of interpreter.
    pub mode: Mode,
    /// What mod_wsgi answers requests with in place of the application.
    pub status: Option<u16>,
    /// The application of the report; `None` where it was not audited.
    pub application: Option<String>,
    /// The line that serves it.
    pub place: ConfigPlace,
}

/// What is found of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeploymentFinding {
    /// Where.
    pub place: ConfigPlace,
    /// The rule's id.
    pub rule: &'static str,
    /// The mode it is about.
    pub mode: Mode,
    /// What it is, in one line.
    pub text: String,
    /// The application whose verdict it repeats: that decides, not this.
    pub application: Option<String>,
}
