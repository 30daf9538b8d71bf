//! What mod_wsgi makes of the directives (6.1.1, `wsgi_config.c`, `wsgi_daemon.c`); `walk` reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::landings::Placed;
use super::mappings::Mapping;
use super::module_file::ModuleFile;
use super::read::Tree;
use super::rewrite::Rewriting;
use super::sections::Section;
use super::settings::Settings;
use super::source::{Problem, Source};
use super::values::Set;
use super::walk::Walk;
use crate::model::{ConfigPlace, ModulePath};

/// A site: servers, daemon processes and options for interpreters.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The main server first, then virtual hosts.
    pub servers: Vec<Server>,
    /// `WSGIDaemonProcess`, by name.
    pub(super) daemons: BTreeMap<String, Daemon>,
    /// At the top level.
    pub(super) options: Options,
    /// `<WSGIInterpreterOptions>`, in order.
    pub(super) blocks: Vec<Block>,
    pub(super) destroy_interpreter: Option<Set<bool>>,
    /// `WSGIRestrictEmbedded On`.
    pub(super) restrict_embedded: Option<Set<bool>>,
    /// `WSGICaseSensitivity Off`.
    pub(super) ignores_case: bool,
    pub(super) imports: Vec<Import>,
    /// The module, where it is loaded.
    pub(super) module: ModuleFile,
    /// `WSGIPythonHome`.
    pub(super) home: Option<Set<PathBuf>>,
    /// `WSGIPythonPath`, for Apache's own processes.
    pub(super) python_path: Vec<PathBuf>,
    pub(super) ports: Vec<u16>,
    /// `AccessFileName`.
    pub(super) access_files: Vec<String>,
    /// Where requests land.
    pub(super) placed: Placed,
    /// What could not be told.
    pub(super) not_told: Vec<(ConfigPlace, String)>,
}

/// The main server, or a virtual host.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// `ServerName`, without scheme and port.
    pub name: Option<String>,
    /// Of `ServerName`; else of the address.
    pub(super) own_port: Option<u16>,
    /// `ServerAlias`.
    pub(super) aliases_of_host: Vec<String>,
    /// What `<VirtualHost>` names; empty for the main server.
    pub(super) addresses: Vec<String>,
    /// `WSGIScriptAlias`.
    pub(super) scripts: Vec<Mapping>,
    /// `Alias` and `ScriptAlias`.
    pub(super) aliases: Vec<Mapping>,
    /// `Redirect`.
    pub(super) redirects: Vec<Mapping>,
    /// `ProxyPass`.
    pub(super) proxies: Vec<Mapping>,
    pub(super) rewriting: Rewriting,
    /// `DocumentRoot`.
    pub(super) root: Option<PathBuf>,
    pub(super) settings: Settings,
    pub(super) sections: Vec<Section>,
    pub(super) place: Option<ConfigPlace>,
}

/// `WSGIDaemonProcess`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Daemon {
    /// All of its options, in order.
    pub(super) options: Vec<(String, String)>,
    pub(super) switch_interval: Option<f64>,
    pub(super) home: Option<PathBuf>,
    pub(super) paths: Vec<PathBuf>,
    /// `home=`: where its processes work.
    pub(super) folder: Option<PathBuf>,
    /// `threads=`, `request-timeout=` and `queue-timeout=`.
    pub(super) threads: u32,
    pub(super) request_timeout: u32,
    pub(super) queue_timeout: u32,
    /// The server that it is defined in.
    pub(super) server: usize,
    pub(super) place: ConfigPlace,
}

/// `WSGIImportScript`, and what a `WSGIScriptAlias` with both groups comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Import {
    pub(super) script: String,
    pub(super) process: String,
    pub(super) application: String,
    pub(super) place: ConfigPlace,
}

/// What may stand at the top level and inside `<WSGIInterpreterOptions>`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Options {
    pub(super) own_gil: Option<Set<bool>>,
    pub(super) free_threading: Option<Set<bool>>,
    pub(super) switch_interval: Option<Set<f64>>,
}

/// `<WSGIInterpreterOptions>`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) process: Option<String>,
    pub(super) application: Option<String>,
    pub(super) options: Options,
    /// `WSGIPythonPath`.
    pub(super) python_path: Vec<PathBuf>,
    pub(super) place: ConfigPlace,
}

impl Site {
    /// Reads the directives, and places what they serve.
    ///
    /// # Errors
    /// What mod_wsgi would not start with.
    pub fn new(tree: &Tree, source: &dyn Source) -> Result<Self, Problem> {
        let mut site = Walk::new(tree, source).site()?;
        site.placed = site.place(&tree.known, source);
        Ok(site)
    }

    /// The environment that a process group is told to use.
    pub fn home_of(&self, process: &str) -> Option<&Path> {
        let daemon = self.daemons.get(process).and_then(|daemon| daemon.home.as_deref());
        daemon.or_else(|| self.home.as_ref().map(|set| set.value.as_path()))
    }

    /// What is put in front of an interpreter's `sys.path` (`wsgi_interp.c`, `newInterpreterObject`): what the blocks
    /// for it say, the most specific first, and then what its processes are told.
    pub fn module_path(&self, process: &str, application: &str) -> ModulePath {
        let daemon = self.daemons.get(process);
        let mut blocks: Vec<&Block> =
            self.blocks.iter().filter(|block| block.is_for(process, application)).collect();
        // Each is put in front of those before.
        blocks.sort_by_key(|block| block.specificity());
        let of_blocks = blocks.into_iter().rev().flat_map(|block| &block.python_path);
        let of_process = daemon.map_or(&self.python_path, |daemon| &daemon.paths);
        let folders = of_blocks.chain(of_process).filter(|folder| !folder.as_os_str().is_empty());
        ModulePath {
            home: daemon.and_then(|daemon| daemon.folder.clone()),
            folders: folders.cloned().collect(),
        }
    }
}

impl Server {
    /// `ServerName`, in the case it is written in; an address without one takes the main server's.
    pub(super) fn host<'a>(&'a self, main: &'a Self) -> &'a str {
        self.name.as_deref().or(main.name.as_deref()).unwrap_or("%{SERVER}")
    }

    /// The port that its name has.
    pub(super) fn port(&self) -> Option<u16> {
        self.own_port
    }

    /// The port that `<VirtualHost>` names.
    pub(super) fn listens_on(&self) -> Option<u16> {
        let (_, port) = self.addresses.first()?.rsplit_once(':')?;
        port.parse().ok()
    }

    /// As landings name it.
    pub(super) fn label(&self, main: &Self) -> String {
        let host = self.host(main);
        match self.own_port.or_else(|| self.listens_on()) {
            None | Some(80 | 443) => host.to_owned(),
            Some(port) => format!("{host}:{port}"),
        }
    }

    /// Takes `ServerName`.
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
