//! A web server's configuration in the document.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cause, Judged};
use crate::model::{ConfigPlace, Deployment, Mode, Verdict};
use crate::rules::{Rule, Severity};

/// Apache's configuration (`--apache-config`): where it puts applications, and what of it does not do what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Apache {
    /// The file that was named.
    pub file: String,
    /// The process groups that it defines (`WSGIDaemonProcess`), by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub daemons: Vec<Daemon>,
    /// Where each application lands. The verdict there decides the exit status.
    pub landings: Vec<Landing>,
    /// What has no effect, the wrong one or a hidden one. These decide it too: an error as `blocked` does, a warning
    /// as `degraded`; a name for all of one kind is the rule's id.
    pub findings: Vec<ApacheFinding>,
    /// What could not be told.
    pub not_told: Vec<NotTold>,
}

/// A process group of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Daemon {
    /// Its name.
    pub name: String,
    /// Its options, as they are written.
    pub options: BTreeMap<String, String>,
    /// The line.
    #[serde(flatten)]
    pub place: ConfigLine,
}

/// Where requests below a URL are served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Landing {
    /// The virtual host; empty for the main server.
    pub host: String,
    /// The prefix of the URLs, or a regular expression.
    pub url: String,
    /// URLs below that something else answers (`Alias`, `Redirect`, another handler), as prefixes or regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// The line that lets only some clients ask; absent where it is the same for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<ConfigLine>,
    /// The WSGI script.
    pub script: String,
    /// The name in it.
    pub callable: String,
    /// The daemon process group; empty for Apache's own processes.
    pub process_group: String,
    /// The application group; empty for the main interpreter (`%{GLOBAL}`).
    pub application_group: String,
    /// Names that a client can give it in place of that one, by the `Host:` header that it sends; `%{HTTP_PORT}` stands for any
    /// port, `%{HTTP_HOST}` for any name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_groups: Vec<String>,
    /// The kind of interpreter.
    pub mode: Mode,
    /// The status of what mod_wsgi answers in place of the application; absent where the application answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The application of this report; absent where it was not audited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The line that serves it.
    #[serde(flatten)]
    pub place: ConfigLine,
}

/// A line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigLine {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// What is found of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApacheFinding {
    /// The mode that it is about.
    pub mode: Mode,
    /// The application whose verdict it repeats: that decides, not this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Where.
    #[serde(flatten)]
    pub place: ConfigLine,
    /// How bad it is, and what it is.
    #[serde(flatten)]
    pub judged: Judged,
}

/// What could not be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotTold {
    /// What it is, in one line.
    pub what: String,
    /// Where.
    #[serde(flatten)]
    pub place: ConfigLine,
}

impl ApacheFinding {
    /// The rule's id.
    pub fn rule(&self) -> &str {
        self.judged.cause.as_ref().map_or("", |cause| cause.rule.as_str())
    }
}

impl Apache {
    /// The kinds of interpreters that something lands in, or is said of.
    pub fn modes(&self) -> BTreeSet<Mode> {
        let landings = self.landings.iter().map(|landing| landing.mode);
        landings.chain(self.deciding().map(|finding| finding.mode)).collect()
    }

    /// The findings that decide by themselves.
    pub fn deciding(&self) -> impl Iterator<Item = &ApacheFinding> {
        self.findings.iter().filter(|finding| finding.application.is_none())
    }

    /// Whether an application of the report lands anywhere.
    pub fn serves(&self, application: &str) -> bool {
        self.landings.iter().any(|landing| landing.application.as_deref() == Some(application))
    }

    /// Whether an application's verdict in this mode decides: one that is served decides where it lands.
    pub fn asks(&self, application: &str, mode: Mode) -> bool {
        let lands_there =
            |landing: &Landing| landing.mode == mode && landing.application.as_deref() == Some(application);
        !self.serves(application) || self.landings.iter().any(lands_there)
    }
}

impl From<&Deployment> for Apache {
    fn from(deployment: &Deployment) -> Self {
        let landings = deployment.landings.iter().map(|landing| Landing {
            host: landing.host.clone(),
            url: landing.url.clone(),
            except: landing.except.clone(),
            limited: landing.limited.as_ref().map(ConfigLine::from),
            script: landing.script.to_string_lossy().into_owned(),
            callable: landing.callable.clone(),
            process_group: landing.process_group.clone(),
            application_group: landing.application_group.clone(),
            other_groups: landing.other_groups.clone(),
            status: landing.status,
            mode: landing.mode,
            application: landing.application.clone(),
            place: (&landing.place).into(),
        });
        let findings = deployment.findings.iter().map(|finding| ApacheFinding {
            mode: finding.mode,
            application: finding.application.clone(),
            place: (&finding.place).into(),
            judged: Judged {
                verdict: match Rule::find(finding.rule).map_or(Severity::Error, |rule| rule.severity) {
                    Severity::Error => Verdict::Blocked,
                    Severity::Warning => Verdict::Degraded,
                    Severity::Note => Verdict::Ready,
                    Severity::Unknown => Verdict::Unknown,
                    Severity::NotApplicable => Verdict::NotApplicable,
                },
                reason: finding.text.clone(),
                reason_id: None,
                cause: Some(Cause {
                    rule: finding.rule.to_owned(),
                    module: "wsgi_module".to_owned(),
                    chain: Vec::new(),
                    what: finding.text.clone(),
                }),
                lost: Vec::new(),
            },
        });
        let not_told = deployment.not_told.iter();
        let daemons = deployment.daemons.iter().map(|daemon| Daemon {
            name: daemon.name.clone(),
            options: daemon.options.iter().cloned().collect(),
            place: (&daemon.place).into(),
        });
        Self {
            file: deployment.file.to_string_lossy().into_owned(),
            daemons: daemons.collect(),
            landings: landings.collect(),
            findings: findings.collect(),
            not_told: not_told
                .map(|(place, what)| NotTold { what: what.clone(), place: place.into() })
                .collect(),
        }
    }
}

impl From<&ConfigPlace> for ConfigLine {
    fn from(place: &ConfigPlace) -> Self {
        Self { file: place.file.to_string_lossy().into_owned(), line: place.line }
    }
}
