//! Names of process groups and application groups (mod_wsgi 6.1.1, `wsgi_config.c`: `wsgi_process_group`,
//! `wsgi_application_group`), and what of them a client decides.

use super::settings::Settings;
use super::site::Server;

/// What a name is made of for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) server: &'a Server,
    pub(super) main: &'a Server,
    /// The part of the URL that names the script.
    pub(super) script_name: &'a str,
    /// What the request's sections set.
    pub(super) settings: &'a Settings,
}

/// A group's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// For a request as a browser sends it.
    pub(super) usual: String,
    /// Others that a client can have by another `Host:` header; `%{HTTP_PORT}` stands for any port.
    pub(super) others: Vec<String>,
    /// What of it is known only when a request is served.
    pub(super) not_told: Option<String>,
}

impl Name {
    fn fixed(name: &str) -> Self {
        Self { usual: name.to_owned(), others: Vec::new(), not_told: None }
    }

    fn open(name: &str, what: String) -> Self {
        Self { not_told: Some(what), ..Self::fixed(name) }
    }
}

/// What stands for a port that a client chooses.
const ANY_PORT: &str = "%{HTTP_PORT}";

impl Asked<'_> {
    /// A process group's name.
    pub(super) fn process(&self, value: Option<&str>) -> Name {
        value.map_or_else(|| Name::fixed(""), |value| self.expand(value))
    }

    /// An application group's name.
    pub(super) fn application(&self, value: Option<&str>) -> Name {
        self.expand(value.unwrap_or("%{RESOURCE}"))
    }

    /// A callable's name.
    pub(super) fn callable(&self, value: Option<&str>) -> Name {
        let value = value.unwrap_or("application");
        match value.strip_prefix('%') {
            None => Name::fixed(value),
            Some(rest) => match variable(rest).map(|name| (name, self.variable(name))) {
                Some((_, Some(Some(value)))) => Name::fixed(&value),
                Some((name, Some(None))) => Name::open(value, request(name)),
                Some((name, None)) => Name::open(value, environment(name)),
                None => Name::fixed("application"),
            },
        }
    }

    fn expand(&self, value: &str) -> Name {
        let Some(rest) = value.strip_prefix('%') else { return Name::fixed(value) };
        match rest {
            "{GLOBAL}" => Name::fixed(""),
            "{SERVER}" => self.by_host(&self.host(), ""),
            "{RESOURCE}" => self.by_host(&self.host(), &format!("|{}", self.script_name)),
            "{HOST}" => {
                let name = self.by_host(&self.host().to_ascii_lowercase(), "");
                let mut others = name.others;
                others.extend(self.server.aliases_of_host.iter().map(|alias| alias.to_ascii_lowercase()));
                others.push("%{HTTP_HOST}".to_owned());
                Name { others, ..name }
            }
            _ => match variable(rest).map(|name| (name, self.variable(name))) {
                // One that names another is not looked up again.
                Some((_, Some(Some(found)))) if found.starts_with("%{ENV:") => Name::fixed(&found),
                Some((_, Some(Some(found)))) => self.expand(&found),
                Some((name, Some(None))) => Name::open(value, request(name)),
                Some((name, None)) => Name::open(value, environment(name)),
                None => Name::fixed(value),
            },
        }
    }

    /// The outer `None` where no line sets it.
    #[expect(
        clippy::option_option,
        reason = "a value that depends on the request is another thing than none"
    )]
    fn variable(&self, name: &str) -> Option<Option<String>> {
        self.settings.variables.get(name).cloned()
    }

    /// The name of the server, in the case it is written in.
    fn host(&self) -> String {
        self.server.host(self.main).to_owned()
    }

    /// A name with the port that the request is for (httpd 2.4, `ap_get_server_port`).
    fn by_host(&self, host: &str, rest: &str) -> Name {
        let with = |port: Option<u16>| match port {
            None | Some(80 | 443) => format!("{host}{rest}"),
            Some(port) => format!("{host}:{port}{rest}"),
        };
        let is_canonical = self.settings.is_canonical == Some(true);
        let own = self.server.port();
        let plain = with(own);
        if is_canonical && own.is_some() {
            return Name::fixed(&plain);
        }
        // With UseCanonicalName On and no port in ServerName the port is HTTP's own.
        if is_canonical {
            return Name::fixed(&with(None));
        }
        // A browser puts the port in, unless it is HTTP's own.
        let usual = own.map_or_else(|| with(self.server.listens_on()), |_| plain.clone());
        let mut others = vec![plain, with(None), format!("{host}:{ANY_PORT}{rest}")];
        others.retain(|other| *other != usual);
        others.dedup();
        Name { usual, others, not_told: None }
    }
}

/// `{ENV:NAME}`.
fn variable(rest: &str) -> Option<&str> {
    rest.strip_prefix("{ENV:")?.strip_suffix('}').filter(|name| !name.is_empty())
}

fn request(name: &str) -> String {
    format!("%{{ENV:{name}}} is known only when a request is served")
}

fn environment(name: &str) -> String {
    format!(
        "%{{ENV:{name}}} is known only when a request is served: no SetEnv {name} sets it for all of them"
    )
}
