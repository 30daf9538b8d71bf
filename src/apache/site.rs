//! The configuration as mod_wsgi sees it (6.1.1, `wsgi_config.c`, `wsgi_daemon.c`). `site_builder` builds it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::configuration_source::{ConfigurationError, ConfigurationSource};
use super::mounts::MountTable;
use super::reader::ConfigurationTree;
use super::request_settings::RequestSettings;
use super::rewrite::RewriteConfiguration;
use super::sections::Section;
use super::site_builder::SiteBuilder;
use super::url_mappings::UrlMapping;
use super::values::LocatedValue;
use super::wsgi_module_file::WsgiModuleFile;
use crate::model::{ConfigLocation, PythonPathOptions};

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
    /// Builds the site from the directives and finds its mounts.
    ///
    /// # Errors
    /// Apache would not start.
    pub fn new(
        tree: &ConfigurationTree,
        source: &dyn ConfigurationSource,
    ) -> Result<Self, ConfigurationError> {
        let mut site = SiteBuilder::new(tree, source).build_site()?;
        site.placed = site.find_mounts(&tree.known, source);
        Ok(site)
    }

    /// Returns the Python environment (`python-home=` or `WSGIPythonHome`) of a process group.
    pub fn python_home_of(&self, process: &str) -> Option<&Path> {
        let daemon = self.daemons.get(process).and_then(|daemon| daemon.home.as_deref());
        daemon.or_else(|| self.home.as_ref().map(|set| set.value.as_path()))
    }

    /// Returns the entries that mod_wsgi puts in front of an interpreter's `sys.path` (`wsgi_interp.c`,
    /// `newInterpreterObject`): those of matching blocks, the most specific first, then those of the process
    /// group.
    pub fn module_path(&self, process: &str, application: &str) -> PythonPathOptions {
        let daemon = self.daemons.get(process);
        let mut blocks: Vec<&OptionsBlock> =
            self.blocks.iter().filter(|block| block.selects_interpreter(process, application)).collect();
        // mod_wsgi prepends each, so the most specific block ends up first.
        blocks.sort_by_key(|block| block.specificity());
        let of_blocks = blocks.into_iter().rev().flat_map(|block| &block.python_path);
        let of_process = daemon.map_or(&self.python_path, |daemon| &daemon.paths);
        let folders = of_blocks.chain(of_process).filter(|folder| !folder.as_os_str().is_empty());
        PythonPathOptions {
            home: daemon.and_then(|daemon| daemon.folder.clone()),
            folders: folders.cloned().collect(),
        }
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
