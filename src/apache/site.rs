//! The configuration as mod_wsgi sees it (6.1.1, `wsgi_config.c`, `wsgi_daemon.c`). `site_builder` builds it,
//! `mounts` fills in where scripts are mounted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::mount_table::MountTable;
use super::request_settings::RequestSettings;
use super::rewrite::RewriteConfiguration;
use super::sections::Section;
use super::url_mappings::UrlMapping;
use super::values::LocatedValue;
use super::wsgi_module_file::WsgiModuleFile;
use crate::model::ConfigLocation;

/// A complete configuration: servers, daemon processes and interpreter options.
#[derive(Clone, Debug, Default)]
pub struct ApacheSite {
    /// The main server first, then the virtual hosts.
    pub servers: Vec<Server>,
    /// `WSGIDaemonProcess`, by name.
    pub(super) daemons: BTreeMap<String, DaemonConfiguration>,
    /// Interpreter options at the top level.
    pub(super) options: InterpreterOptions,
    /// `<WSGIInterpreterOptions>`, in order.
    pub(super) blocks: Vec<OptionsBlock>,
    pub(super) destroy_interpreter: Option<LocatedValue<bool>>,
    /// `WSGIRestrictEmbedded`.
    pub(super) restrict_embedded: Option<LocatedValue<bool>>,
    /// Whether `WSGICaseSensitivity` is `Off`.
    pub(super) ignores_case: bool,
    pub(super) imports: Vec<ScriptImport>,
    /// The module that `LoadModule` names.
    pub(super) module: WsgiModuleFile,
    /// `WSGIPythonHome`.
    pub(super) home: Option<LocatedValue<PathBuf>>,
    /// `WSGIPythonPath`, for Apache's own processes.
    pub(super) python_path: Vec<PathBuf>,
    pub(super) ports: Vec<u16>,
    /// `AccessFileName`.
    pub(super) access_files: Vec<String>,
    /// Where scripts are mounted.
    pub(super) placed: MountTable,
    /// What could not be determined, with locations.
    pub(super) not_told: Vec<(ConfigLocation, String)>,
}

/// The main server or a virtual host.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// `ServerName`, without scheme and port.
    pub name: Option<String>,
    /// The port of `ServerName`, else that of the address.
    pub(super) own_port: Option<u16>,
    /// `ServerAlias`.
    pub(super) aliases_of_host: Vec<String>,
    /// The addresses of `<VirtualHost>`; empty for the main server.
    pub(super) addresses: Vec<String>,
    /// `WSGIScriptAlias`.
    pub(super) scripts: Vec<UrlMapping>,
    /// `Alias` and `ScriptAlias`.
    pub(super) aliases: Vec<UrlMapping>,
    /// `Redirect`.
    pub(super) redirects: Vec<UrlMapping>,
    /// `ProxyPass`.
    pub(super) proxies: Vec<UrlMapping>,
    pub(super) rewriting: RewriteConfiguration,
    /// `DocumentRoot`.
    pub(super) root: Option<PathBuf>,
    pub(super) settings: RequestSettings,
    pub(super) sections: Vec<Section>,
    pub(super) place: Option<ConfigLocation>,
}

/// `WSGIDaemonProcess`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DaemonConfiguration {
    /// Its options as written, in order.
    pub(super) options: Vec<(String, String)>,
    pub(super) switch_interval: Option<f64>,
    pub(super) home: Option<PathBuf>,
    pub(super) paths: Vec<PathBuf>,
    /// `home=`: the working directory of its processes.
    pub(super) folder: Option<PathBuf>,
    /// `threads=`, `request-timeout=` and `queue-timeout=`.
    pub(super) threads: u32,
    pub(super) request_timeout: u32,
    pub(super) queue_timeout: u32,
    /// The index of the server that defines it.
    pub(super) server: usize,
    pub(super) place: ConfigLocation,
}

/// A script that is loaded at startup: `WSGIImportScript`, or a `WSGIScriptAlias` with both groups.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ScriptImport {
    pub(super) script: String,
    pub(super) process: String,
    pub(super) application: String,
    pub(super) place: ConfigLocation,
}

/// Options allowed both at the top level and in `<WSGIInterpreterOptions>`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct InterpreterOptions {
    pub(super) own_gil: Option<LocatedValue<bool>>,
    pub(super) free_threading: Option<LocatedValue<bool>>,
    pub(super) switch_interval: Option<LocatedValue<f64>>,
}

/// `<WSGIInterpreterOptions>`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OptionsBlock {
    pub(super) process: Option<String>,
    pub(super) application: Option<String>,
    pub(super) options: InterpreterOptions,
    /// `WSGIPythonPath`.
    pub(super) python_path: Vec<PathBuf>,
    pub(super) place: ConfigLocation,
}

impl ApacheSite {
    /// Returns the Python environment (`python-home=` or `WSGIPythonHome`) of a process group.
    pub fn python_home_of(&self, process: &str) -> Option<&Path> {
        let daemon = self.daemons.get(process).and_then(|daemon| daemon.home.as_deref());
        daemon.or_else(|| self.home.as_ref().map(|set| set.value.as_path()))
    }
}

impl Server {
    /// Returns `ServerName` in its original case; a virtual host without one uses the main server's.
    pub(super) fn host_name<'a>(&'a self, main: &'a Self) -> &'a str {
        self.name.as_deref().or(main.name.as_deref()).unwrap_or("%{SERVER}")
    }

    /// Returns the port of its name.
    pub(super) fn port(&self) -> Option<u16> {
        self.own_port
    }

    /// Returns the port of `<VirtualHost>`.
    pub(super) fn listen_port(&self) -> Option<u16> {
        let (_, port) = self.addresses.first()?.rsplit_once(':')?;
        port.parse().ok()
    }

    /// Returns the label of the host in mounts: its name, with a port unless it is 80 or 443.
    pub(super) fn host_label(&self, main: &Self) -> String {
        let host = self.host_name(main);
        match self.own_port.or_else(|| self.listen_port()) {
            None | Some(80 | 443) => host.to_owned(),
            Some(port) => format!("{host}:{port}"),
        }
    }

    /// Sets name and port from `ServerName`.
    pub(super) fn set_name(&mut self, text: &str) {
        let text = text.split_once("://").map_or(text, |(_, name)| name);
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
            _ => (text, None),
        };
        self.name = Some(name.to_owned());
        self.own_port = port;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_name_and_a_port() {
        for (text, name, port) in [
            ("example.org", "example.org", None),
            ("example.org:8080", "example.org", Some(8080)),
            ("https://example.org:8443", "example.org", Some(8443)),
            ("example.org:x", "example.org", None),
            ("[::1]", "[::1]", None),
            ("[::1]:8080", "[::1]", Some(8080)),
        ] {
            let mut server = Server::default();
            server.set_name(text);
            assert_eq!((server.name.as_deref(), server.port()), (Some(name), port), "{text}");
        }
    }

    #[test]
    fn the_label_of_a_host_has_an_unusual_port() {
        let main = Server { name: Some("main".to_owned()), ..Server::default() };
        for (name, own_port, address, expected) in [
            (Some("a"), None, "*:80", "a"),
            (Some("a"), None, "*:443", "a"),
            (Some("a"), None, "*:8080", "a:8080"),
            (Some("a"), Some(80), "*:8080", "a"),
            (Some("a"), Some(81), "*:80", "a:81"),
            (Some("a"), None, "*", "a"),
            (None, None, "*:x", "main"),
        ] {
            let addresses = vec![address.to_owned()];
            let server = Server { name: name.map(str::to_owned), own_port, addresses, ..Server::default() };
            assert_eq!(server.host_label(&main), expected, "{name:?} {own_port:?} {address}");
        }
        assert_eq!(Server::default().host_name(&Server::default()), "%{SERVER}");
        assert_eq!(Server::default().listen_port(), None);
    }

    #[test]
    fn a_process_group_has_its_own_home_or_that_of_all() {
        let place = ConfigLocation { file: "x".into(), line: 1 };
        let daemon = |home: Option<&str>| DaemonConfiguration {
            options: Vec::new(),
            switch_interval: None,
            home: home.map(PathBuf::from),
            paths: Vec::new(),
            folder: None,
            threads: 15,
            request_timeout: 0,
            queue_timeout: 0,
            server: 0,
            place: place.clone(),
        };
        let daemons = [("own".to_owned(), daemon(Some("/own"))), ("none".to_owned(), daemon(None))];
        let mut site = ApacheSite { daemons: daemons.into(), ..ApacheSite::default() };
        let home = |site: &ApacheSite, process: &str| site.python_home_of(process).map(Path::to_owned);
        assert_eq!(home(&site, "own"), Some("/own".into()));
        assert_eq!((home(&site, "none"), home(&site, "")), (None, None));
        site.home = Some(LocatedValue { value: "/all".into(), place: place.clone() });
        assert_eq!(home(&site, "own"), Some("/own".into()));
        assert_eq!((home(&site, "none"), home(&site, "")), (Some("/all".into()), Some("/all".into())));
    }
}
