//! Resolves the names of process groups and application groups (mod_wsgi 6.1.1, `wsgi_config.c`:
//! `wsgi_process_group`, `wsgi_application_group`), and determines how far a client can choose them.

use super::request_settings::RequestSettings;
use super::served_request::ResolvedName;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves an application group in a server, as `usual; other names; note`.
    fn resolve(server: &Server, settings: &RequestSettings, value: &str) -> String {
        let main = Server { name: Some("main".to_owned()), ..Server::default() };
        let resolver = NameResolver { server, main: &main, script_name: "/shop", settings };
        let name = resolver.resolve_application_group(Some(value));
        format!("{}; {}; {}", name.usual, name.others.join(" "), name.not_told.unwrap_or_default())
    }

    #[test]
    fn a_group_can_be_named_after_the_server() {
        let server = |name: Option<&str>, own_port, address: &str| Server {
            name: name.map(str::to_owned),
            own_port,
            aliases_of_host: vec!["Alias.org".to_owned()],
            addresses: vec![address.to_owned()],
            ..Server::default()
        };
        let settings = |is_canonical| RequestSettings { is_canonical, ..RequestSettings::default() };
        let off = settings(None);
        let on = settings(Some(true));
        let plain = server(Some("Shop.org"), None, "*:80");
        let listening = server(Some("Shop.org"), None, "*:8080");
        let named = server(Some("Shop.org"), Some(8080), "*:8080");
        for (server, settings, value, expected) in [
            (&plain, &off, "plain", "plain; ; "),
            (&plain, &off, "%{GLOBAL}", "; ; "),
            (&plain, &off, "%{UNKNOWN}", "%{UNKNOWN}; ; "),
            (&plain, &off, "%{SERVER}", "Shop.org; Shop.org:%{HTTP_PORT}; "),
            (&plain, &on, "%{SERVER}", "Shop.org; ; "),
            (&plain, &off, "%{RESOURCE}", "Shop.org|/shop; Shop.org:%{HTTP_PORT}|/shop; "),
            (&plain, &off, "%{HOST}", "shop.org; shop.org:%{HTTP_PORT} alias.org %{HTTP_HOST}; "),
            (&listening, &off, "%{SERVER}", "Shop.org:8080; Shop.org Shop.org:%{HTTP_PORT}; "),
            (&listening, &on, "%{SERVER}", "Shop.org; ; "),
            (&named, &off, "%{SERVER}", "Shop.org:8080; Shop.org Shop.org:%{HTTP_PORT}; "),
            (&named, &on, "%{SERVER}", "Shop.org:8080; ; "),
            (&server(None, None, "*:80"), &on, "%{SERVER}", "main; ; "),
            (&server(Some("a"), Some(443), "*:443"), &on, "%{SERVER}", "a; ; "),
        ] {
            assert_eq!(resolve(server, settings, value), expected, "{value} in {server:?}");
        }
    }

    #[test]
    fn a_group_can_be_named_by_a_variable() {
        let variables = [
            ("PLAIN", Some("shop")),
            ("GLOBAL", Some("%{GLOBAL}")),
            ("AGAIN", Some("%{ENV:PLAIN}")),
            ("OPEN", None),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        let settings = RequestSettings { variables: variables.into(), ..RequestSettings::default() };
        let server = Server::default();
        let unset = "%{ENV:X} is known only when a request is served: no SetEnv X sets it for all requests";
        for (value, expected) in [
            ("%{ENV:PLAIN}", "shop; ; ".to_owned()),
            ("%{ENV:GLOBAL}", "; ; ".to_owned()),
            ("%{ENV:AGAIN}", "%{ENV:PLAIN}; ; ".to_owned()),
            ("%{ENV:OPEN}", "%{ENV:OPEN}; ; %{ENV:OPEN} is known only when a request is served".to_owned()),
            ("%{ENV:X}", format!("%{{ENV:X}}; ; {unset}")),
            ("%{ENV:}", "%{ENV:}; ; ".to_owned()),
        ] {
            assert_eq!(resolve(&server, &settings, value), expected, "{value}");
        }
        let resolver = NameResolver { server: &server, main: &server, script_name: "", settings: &settings };
        let callable = |value| resolver.resolve_callable(value);
        assert_eq!(callable(None), ResolvedName::fixed("application"));
        assert_eq!(callable(Some("app")), ResolvedName::fixed("app"));
        assert_eq!(callable(Some("%{ENV:PLAIN}")), ResolvedName::fixed("shop"));
        assert_eq!(callable(Some("%{GLOBAL}")), ResolvedName::fixed("application"));
        assert!(callable(Some("%{ENV:OPEN}")).not_told.is_some_and(|what| !what.contains("SetEnv")));
        assert!(callable(Some("%{ENV:X}")).not_told.is_some_and(|what| what.contains("SetEnv X")));
        assert_eq!(resolver.resolve_process_group(None), ResolvedName::fixed(""));
        assert_eq!(resolver.resolve_process_group(Some("d")), ResolvedName::fixed("d"));
    }
}
