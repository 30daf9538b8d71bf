//! Resolves the names of process groups and application groups (mod_wsgi 6.1.1, `wsgi_config.c`:
//! `wsgi_process_group`, `wsgi_application_group`), and determines how far a client can choose them.

use super::request_settings::RequestSettings;
use super::site::Server;

/// Resolves the names for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameResolver<'a> {
    pub(super) server: &'a Server,
    pub(super) main: &'a Server,
    /// The part of the URL that names the script.
    pub(super) script_name: &'a str,
    /// The merged settings of the request.
    pub(super) settings: &'a RequestSettings,
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
    fn fixed(name: &str) -> Self {
        Self { usual: name.to_owned(), others: Vec::new(), not_told: None }
    }

    fn unresolved(name: &str, what: String) -> Self {
        Self { not_told: Some(what), ..Self::fixed(name) }
    }
}

/// Placeholder for a port that the client chooses.
const ANY_PORT: &str = "%{HTTP_PORT}";

impl NameResolver<'_> {
    /// Resolves a process group; unset means Apache's own processes.
    pub(super) fn resolve_process_group(&self, value: Option<&str>) -> ResolvedName {
        value.map_or_else(|| ResolvedName::fixed(""), |value| self.expand_name(value))
    }

    /// Resolves an application group; the default is `%{RESOURCE}`.
    pub(super) fn resolve_application_group(&self, value: Option<&str>) -> ResolvedName {
        self.expand_name(value.unwrap_or("%{RESOURCE}"))
    }

    /// Resolves the name of a callable; the default is `application`.
    pub(super) fn resolve_callable(&self, value: Option<&str>) -> ResolvedName {
        let value = value.unwrap_or("application");
        match value.strip_prefix('%') {
            None => ResolvedName::fixed(value),
            Some(rest) => match parse_variable_name(rest).map(|name| (name, self.find_variable(name))) {
                Some((_, Some(Some(value)))) => ResolvedName::fixed(&value),
                Some((name, Some(None))) => ResolvedName::unresolved(value, explain_request_variable(name)),
                Some((name, None)) => ResolvedName::unresolved(value, explain_unset_variable(name)),
                None => ResolvedName::fixed("application"),
            },
        }
    }

    fn expand_name(&self, value: &str) -> ResolvedName {
        let Some(rest) = value.strip_prefix('%') else { return ResolvedName::fixed(value) };
        match rest {
            "{GLOBAL}" => ResolvedName::fixed(""),
            "{SERVER}" => self.build_host_name(&self.server_host(), ""),
            "{RESOURCE}" => self.build_host_name(&self.server_host(), &format!("|{}", self.script_name)),
            "{HOST}" => {
                let name = self.build_host_name(&self.server_host().to_ascii_lowercase(), "");
                let mut others = name.others;
                others.extend(self.server.aliases_of_host.iter().map(|alias| alias.to_ascii_lowercase()));
                others.push("%{HTTP_HOST}".to_owned());
                ResolvedName { others, ..name }
            }
            _ => match parse_variable_name(rest).map(|name| (name, self.find_variable(name))) {
                // mod_wsgi expands only one level of `%{ENV:NAME}`.
                Some((_, Some(Some(found)))) if found.starts_with("%{ENV:") => ResolvedName::fixed(&found),
                Some((_, Some(Some(found)))) => self.expand_name(&found),
                Some((name, Some(None))) => ResolvedName::unresolved(value, explain_request_variable(name)),
                Some((name, None)) => ResolvedName::unresolved(value, explain_unset_variable(name)),
                None => ResolvedName::fixed(value),
            },
        }
    }

    /// Returns the value of an environment variable: the inner `None` if it depends on the request, the outer
    /// `None` if no directive sets it.
    #[expect(
        clippy::option_option,
        reason = "a value that depends on the request is another thing than none"
    )]
    fn find_variable(&self, name: &str) -> Option<Option<String>> {
        self.settings.variables.get(name).cloned()
    }

    /// Returns the server's name, in its original case.
    fn server_host(&self) -> String {
        self.server.host_name(self.main).to_owned()
    }

    /// Appends the port of the request to a host name, unless it is the default port (httpd 2.4,
    /// `ap_get_server_port`).
    fn build_host_name(&self, host: &str, rest: &str) -> ResolvedName {
        let with = |port: Option<u16>| match port {
            None | Some(80 | 443) => format!("{host}{rest}"),
            Some(port) => format!("{host}:{port}{rest}"),
        };
        let is_canonical = self.settings.is_canonical == Some(true);
        let own = self.server.port();
        let plain = with(own);
        if is_canonical && own.is_some() {
            return ResolvedName::fixed(&plain);
        }
        // With UseCanonicalName On and no port in ServerName, the port is the scheme's default.
        if is_canonical {
            return ResolvedName::fixed(&with(None));
        }
        // A browser sends the port, unless it is the scheme's default.
        let usual = own.map_or_else(|| with(self.server.listen_port()), |_| plain.clone());
        let mut others = vec![plain, with(None), format!("{host}:{ANY_PORT}{rest}")];
        others.retain(|other| *other != usual);
        others.dedup();
        ResolvedName { usual, others, not_told: None }
    }
}

/// Parses `{ENV:NAME}`.
fn parse_variable_name(rest: &str) -> Option<&str> {
    rest.strip_prefix("{ENV:")?.strip_suffix('}').filter(|name| !name.is_empty())
}

fn explain_request_variable(name: &str) -> String {
    format!("%{{ENV:{name}}} is known only when a request is served")
}

fn explain_unset_variable(name: &str) -> String {
    format!(
        "%{{ENV:{name}}} is known only when a request is served: no SetEnv {name} sets it for all requests"
    )
}
