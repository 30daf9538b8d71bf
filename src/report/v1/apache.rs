//! The Apache configuration in the document.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cause, Judged};
use crate::model::{ConfigLocation, Deployment, Mode, Severity, Verdict};

/// The Apache configuration (`--apache-config`): where it mounts applications, and which directives do not do
/// what they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Apache {
    /// The configuration file that was passed.
    pub file: String,
    /// The process groups that it defines (`WSGIDaemonProcess`), by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub daemons: Vec<Daemon>,
    /// Where each WSGI script is mounted. The application's verdict in the mode of the mount decides the exit
    /// status.
    pub landings: Vec<Landing>,
    /// Directives that have no effect, a wrong one or a hidden one. They decide the exit status, too: an
    /// error like `blocked`, a warning like `degraded`. Acceptances name them by the rule's id.
    pub findings: Vec<ApacheFinding>,
    /// What could not be determined.
    pub not_told: Vec<NotTold>,
}

/// A process group of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Daemon {
    /// Its name.
    pub name: String,
    /// Its options, as they are written.
    pub options: BTreeMap<String, String>,
    /// The line that defines it.
    #[serde(flatten)]
    pub place: ConfigLine,
}

/// A mounted WSGI script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Landing {
    /// The virtual host; empty for the main server.
    pub host: String,
    /// The URL prefix, or a regular expression.
    pub url: String,
    /// URLs below it that the script does not serve (`Alias`, `Redirect`, another handler), as prefixes or
    /// regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// The line that restricts access to some clients; absent if all clients have access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<ConfigLine>,
    /// The WSGI script.
    pub script: String,
    /// The name of the WSGI callable in it.
    pub callable: String,
    /// The daemon process group; empty for Apache's own processes.
    pub process_group: String,
    /// The application group; empty for the main interpreter (`%{GLOBAL}`).
    pub application_group: String,
    /// Other application groups that a client can select with the `Host:` header that it sends.
    /// `%{HTTP_PORT}` stands for any port, `%{HTTP_HOST}` for any name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_groups: Vec<String>,
    /// The mode of its interpreter.
    pub mode: Mode,
    /// The HTTP status that mod_wsgi returns instead of calling the application; absent if the application
    /// answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The application's name in this report; absent if it was not audited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The line that mounts it.
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

/// A finding about a line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApacheFinding {
    /// The mode that the finding is about.
    pub mode: Mode,
    /// The application whose verdict it repeats. Then that verdict decides, not this finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The line.
    #[serde(flatten)]
    pub place: ConfigLine,
    /// The severity as a verdict, and the description.
    #[serde(flatten)]
    pub judged: Judged,
}

/// What could not be determined about a line of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotTold {
    /// A description in one line.
    pub what: String,
    /// The line.
    #[serde(flatten)]
    pub place: ConfigLine,
}

impl ApacheFinding {
    /// The rule's id.
    pub fn rule_id(&self) -> &str {
        self.judged.cause.as_ref().map_or("", |cause| cause.rule.as_str())
    }
}

impl Apache {
    /// The modes that have a mount or a finding.
    pub fn modes(&self) -> BTreeSet<Mode> {
        let landings = self.landings.iter().map(|mount| mount.mode);
        landings.chain(self.deciding_findings().map(|finding| finding.mode)).collect()
    }

    /// The findings that decide by themselves, not through an application's verdict.
    pub fn deciding_findings(&self) -> impl Iterator<Item = &ApacheFinding> {
        self.findings.iter().filter(|finding| finding.application.is_none())
    }

    /// Whether the configuration mounts an application of the report.
    pub fn serves_application(&self, application: &str) -> bool {
        self.landings.iter().any(|mount| mount.application.as_deref() == Some(application))
    }

    /// Whether an application's verdict in this mode decides. That of a mounted application decides only in
    /// the modes of its mounts.
    pub fn is_application_decisive(&self, application: &str, mode: Mode) -> bool {
        let lands_there =
            |mount: &Landing| mount.mode == mode && mount.application.as_deref() == Some(application);
        !self.serves_application(application) || self.landings.iter().any(lands_there)
    }
}

impl From<&Deployment> for Apache {
    fn from(deployment: &Deployment) -> Self {
        let landings = deployment.landings.iter().map(|mount| Landing {
            host: mount.host.clone(),
            url: mount.url.clone(),
            except: mount.except.clone(),
            limited: mount.limited.as_ref().map(ConfigLine::from),
            script: mount.script.to_string_lossy().into_owned(),
            callable: mount.callable.clone(),
            process_group: mount.process_group.clone(),
            application_group: mount.application_group.clone(),
            other_groups: mount.other_groups.clone(),
            status: mount.status,
            mode: mount.mode,
            application: mount.application.clone(),
            place: (&mount.place).into(),
        });
        let findings = deployment.findings.iter().map(|finding| ApacheFinding {
            mode: finding.mode,
            application: finding.application.clone(),
            place: (&finding.place).into(),
            judged: Judged {
                verdict: match finding.rule.rule().severity {
                    Severity::Error => Verdict::Blocked,
                    Severity::Warning => Verdict::Degraded,
                    Severity::Note => Verdict::Ready,
                    Severity::Unknown => Verdict::Unknown,
                    Severity::NotApplicable => Verdict::NotApplicable,
                },
                reason: finding.text.clone(),
                reason_id: None,
                cause: Some(Cause {
                    rule: finding.rule.id().to_owned(),
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

impl From<&ConfigLocation> for ConfigLine {
    fn from(place: &ConfigLocation) -> Self {
        Self { file: place.file.to_string_lossy().into_owned(), line: place.line }
    }
}
