//! How mod_wsgi or Apache answers a request: which script serves it in which interpreter, or why it is refused.

use std::path::PathBuf;

use crate::model::{ConfigLocation, RuleId};

/// A request that mod_wsgi handles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServedRequest {
    pub(super) script: PathBuf,
    pub(super) process: ResolvedName,
    pub(super) application: ResolvedName,
    pub(super) callable: ResolvedName,
    pub(super) script_name: String,
    /// Whether the application group is named by the default, `%{RESOURCE}`.
    pub(super) is_by_url: bool,
    pub(super) reloads: bool,
    /// The line that restricts access to some clients.
    pub(super) limited: Option<ConfigLocation>,
    /// The line that serves the request.
    pub(super) place: ConfigLocation,
    /// The error if mod_wsgi rejects it.
    pub(super) refusal: Option<RequestRefusal>,
}

/// A request that is answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestRefusal {
    pub(super) cause: RefusalCause,
    pub(super) place: ConfigLocation,
    pub(super) text: String,
}

/// Why a request is answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalCause {
    /// A `.htaccess` has an error.
    Htaccess,
    /// Access is denied to all clients.
    AccessDenied,
    /// `Options ExecCGI` is off.
    ExecutionOff,
    /// The script does not exist.
    ScriptMissing,
    /// `AcceptPathInfo` is off.
    PathInfoOff,
    /// `WSGIRestrictProcess` does not list the process group.
    ProcessNotAllowed,
    /// `WSGIRestrictEmbedded` forbids Apache's own processes.
    EmbeddedNotAllowed,
    /// No `WSGIDaemonProcess` defines the process group.
    ProcessUndefined,
    /// The process group belongs to another virtual host.
    ProcessOfOtherHost,
}

impl RefusalCause {
    /// Returns the status of the response.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::AccessDenied | Self::ExecutionOff => 403,
            Self::ScriptMissing | Self::PathInfoOff => 404,
            Self::Htaccess
            | Self::ProcessNotAllowed
            | Self::EmbeddedNotAllowed
            | Self::ProcessUndefined
            | Self::ProcessOfOtherHost => 500,
        }
    }

    /// Returns the id of the rule that reports it.
    pub(super) fn rule(self) -> RuleId {
        match self {
            Self::Htaccess => RuleId::ApacheHtaccessRefused,
            Self::AccessDenied | Self::ExecutionOff => RuleId::ApacheAccessDenied,
            Self::ScriptMissing | Self::PathInfoOff => RuleId::ApacheAliasBroken,
            Self::ProcessNotAllowed => RuleId::ApacheProcessNotAllowed,
            Self::EmbeddedNotAllowed => RuleId::ApacheEmbeddedNotAllowed,
            Self::ProcessUndefined => RuleId::ApacheNoProcessGroup,
            Self::ProcessOfOtherHost => RuleId::ApacheProcessOfOtherHost,
        }
    }

    /// Whether the configuration denies access, by its rules or by `Options`.
    pub(super) fn is_access_denial(self) -> bool {
        matches!(self, Self::AccessDenied | Self::ExecutionOff)
    }
}

/// The name of a group or callable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResolvedName {
    /// For a request as a browser sends it.
    pub(super) usual: String,
    /// Names that a client can obtain with another `Host:` header; `%{HTTP_PORT}` stands for any port.
    pub(super) others: Vec<String>,
    /// Why the name is known only when a request is served.
    pub(super) not_told: Option<String>,
}

impl ResolvedName {
    pub(super) fn fixed(name: &str) -> Self {
        Self { usual: name.to_owned(), others: Vec::new(), not_told: None }
    }

    pub(super) fn unresolved(name: &str, what: String) -> Self {
        Self { not_told: Some(what), ..Self::fixed(name) }
    }
}
