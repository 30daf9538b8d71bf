//! What mod_wsgi makes of the directives (6.1.1, `wsgi_config.c`, `wsgi_daemon.c`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::line::words;
use super::read::{Directive, Tree};
use super::sections::{Section, Where};
use super::source::Problem;
use super::values::{Set, flag, group, options, seconds};
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
    pub(super) imports: Vec<Import>,
    /// The module's file, where it is loaded.
    pub(super) module: Option<Set<String>>,
    /// `WSGIPythonHome`.
    pub(super) home: Option<Set<PathBuf>>,
    /// `WSGIPythonPath`, for Apache's own processes.
    python_path: Vec<PathBuf>,
    pub(super) ports: Vec<u16>,
    /// What could not be told.
    pub(super) not_told: Vec<(ConfigPlace, String)>,
}

/// The main server, or a virtual host.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// `ServerName`, without scheme and port.
    pub name: Option<String>,
    pub(super) port: Option<u16>,
    /// What `<VirtualHost>` names; empty for the main server.
    pub(super) addresses: Vec<String>,
    pub(super) aliases: Vec<Alias>,
    pub(super) groups: Groups,
    pub(super) sections: Vec<Section>,
}

/// The directives that place a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Groups {
    pub(super) process: Option<Set<String>>,
    pub(super) application: Option<Set<String>>,
    pub(super) callable: Option<Set<String>>,
}

impl Groups {
    /// What this sets goes before.
    pub(super) fn over(self, base: &Self) -> Self {
        Self {
            process: self.process.or_else(|| base.process.clone()),
            application: self.application.or_else(|| base.application.clone()),
            callable: self.callable.or_else(|| base.callable.clone()),
        }
    }
}

/// `WSGIScriptAlias`, or `WSGIScriptAliasMatch`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alias {
    pub(super) url: String,
    pub(super) target: String,
    pub(super) is_match: bool,
    pub(super) groups: Groups,
    pub(super) place: ConfigPlace,
}

/// `WSGIDaemonProcess`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Daemon {
    pub(super) switch_interval: Option<f64>,
    pub(super) home: Option<PathBuf>,
    paths: Vec<PathBuf>,
    /// `home=`: where its processes work.
    folder: Option<PathBuf>,
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
    python_path: Vec<PathBuf>,
    pub(super) place: ConfigPlace,
}

/// Where the walk is.
#[derive(Clone, Debug, Default)]
struct Context {
    server: usize,
    around: Vec<Where>,
    /// The index of the section that directives go to.
    section: Option<usize>,
    block: Option<usize>,
}

impl Site {
    /// Reads the directives.
    ///
    /// # Errors
    /// What mod_wsgi would not start with.
    pub fn new(tree: &Tree) -> Result<Self, Problem> {
        let mut site = Self { servers: vec![Server::default()], ..Self::default() };
        site.not_told.clone_from(&tree.undecided);
        site.walk(&tree.directives, &Context::default())?;
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

    fn walk(&mut self, directives: &[Directive], context: &Context) -> Result<(), Problem> {
        for directive in directives {
            if let Some(kind) = directive.name.strip_prefix('<') {
                self.section(kind, directive, context)?;
            } else {
                self.directive(directive, context)?;
            }
        }
        Ok(())
    }

    fn section(&mut self, kind: &str, section: &Directive, context: &Context) -> Result<(), Problem> {
        let mut inside = context.clone();
        match kind {
            "virtualhost" => {
                if context.server != 0 || context.section.is_some() || context.block.is_some() {
                    return Err(Problem::new(&section.place, "<VirtualHost> inside of another section"));
                }
                inside.server = self.servers.len();
                self.servers.push(Server { addresses: words(&section.args), ..Server::default() });
            }
            "wsgiinterpreteroptions" => {
                self.only_global(section, context)?;
                inside.block = Some(self.blocks.len());
                let block = block(section)?;
                self.blocks.push(block);
            }
            _ => {
                if let Some(place) = Where::new(kind, &section.args) {
                    inside.around.push(place);
                    let server = &mut self.servers[context.server];
                    inside.section = Some(server.sections.len());
                    server.sections.push(Section {
                        conditions: inside.around.clone(),
                        groups: Groups::default(),
                        place: section.place.clone(),
                    });
                }
            }
        }
        self.walk(&section.children, &inside)
    }

    fn only_global(&self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        match context.server != 0 || context.section.is_some() {
            true => Err(Problem::new(
                &directive.place,
                format!(
                    "{} is not allowed inside of <VirtualHost>, <Directory> and the like",
                    directive.name
                ),
            )),
            false => Ok(()),
        }
    }

    fn directive(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let Directive { name, args, place, undefined, .. } = directive;
        let first = words(args).into_iter().next().unwrap_or_default();
        let is_wsgi = name.starts_with("wsgi");
        if let Some(variable) = undefined.first().filter(|_| is_wsgi) {
            self.not_told.push((place.clone(), format!("the variable {variable} is not defined here")));
        }
        match name.as_str() {
            "servername" if context.section.is_none() => self.servers[context.server].named(&first),
            "listen" => {
                let port = first.rsplit(':').next().and_then(|port| port.parse().ok());
                self.ports.extend::<Option<u16>>(port);
            }
            "loadmodule" if first == "wsgi_module" => {
                let value = words(args).into_iter().nth(1).unwrap_or_default();
                self.module = Some(Set { value, place: place.clone() });
            }
            "wsgiperinterpretergil" | "wsgifreethreading" | "wsgiswitchinterval" => {
                if context.block.is_none() {
                    self.only_global(directive, context)?;
                }
                let block = context.block.and_then(|index| self.blocks.get_mut(index));
                let options = block.map_or(&mut self.options, |block| &mut block.options);
                match name.as_str() {
                    "wsgiperinterpretergil" => {
                        options.own_gil = Some(flag("WSGIPerInterpreterGIL", &first, place)?);
                    }
                    "wsgifreethreading" => {
                        options.free_threading = Some(flag("WSGIFreeThreading", &first, place)?);
                    }
                    _ => options.switch_interval = Some(seconds("WSGISwitchInterval", &first, place)?),
                }
            }
            "wsgidestroyinterpreter" => {
                self.only_global(directive, context)?;
                self.destroy_interpreter = Some(flag("WSGIDestroyInterpreter", &first, place)?);
            }
            "wsgipythonhome" => {
                self.only_global(directive, context)?;
                self.home = Some(Set { value: PathBuf::from(first), place: place.clone() });
            }
            "wsgipythonpath" => {
                let folders = std::env::split_paths(&first).collect();
                match context.block.and_then(|index| self.blocks.get_mut(index)) {
                    Some(block) => block.python_path = folders,
                    None => {
                        self.only_global(directive, context)?;
                        self.python_path = folders;
                    }
                }
            }
            "wsgidaemonprocess" => self.daemon(directive, context)?,
            "wsgiscriptalias" | "wsgiscriptaliasmatch" => self.alias(directive, context)?,
            "wsgiimportscript" => self.import(directive)?,
            "wsgiprocessgroup" | "wsgiapplicationgroup" | "wsgicallableobject" => {
                let server = &mut self.servers[context.server];
                let section = context.section.and_then(|index| server.sections.get_mut(index));
                let groups = section.map_or(&mut server.groups, |section| &mut section.groups);
                let value = Some(Set { value: first, place: place.clone() });
                match name.as_str() {
                    "wsgiprocessgroup" => groups.process = value,
                    "wsgiapplicationgroup" => groups.application = value,
                    _ => groups.callable = value,
                }
            }
            "wsgidispatchscript" => {
                let what = "WSGIDispatchScript may send a request to any group: not followed";
                self.not_told.push((place.clone(), what.to_owned()));
            }
            "wsgihandlerscript" => {
                let what = "WSGIHandlerScript: which requests it serves is not told";
                self.not_told.push((place.clone(), what.to_owned()));
            }
            "sethandler" | "addhandler"
                if matches!(first.as_str(), "wsgi-script" | "application/x-httpd-wsgi") =>
            {
                let what =
                    format!("{first} by handler: which scripts it serves is not told (name them with --app)");
                self.not_told.push((place.clone(), what));
            }
            _ => {}
        }
        Ok(())
    }

    fn daemon(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let place = &directive.place;
        let (name, rest) = super::line::word(&directive.args);
        if name.is_empty() {
            return Err(Problem::new(place, "WSGIDaemonProcess without a name"));
        }
        let mut daemon = Daemon {
            switch_interval: None,
            home: None,
            paths: Vec::new(),
            folder: None,
            server: context.server,
            place: place.clone(),
        };
        for (option, value) in options(rest, place)? {
            match option.as_str() {
                "switch-interval" => {
                    daemon.switch_interval = Some(seconds("switch-interval", &value, place)?.value);
                }
                "python-home" => daemon.home = Some(PathBuf::from(value)),
                "home" => daemon.folder = Some(PathBuf::from(value)),
                "python-path" => daemon.paths = std::env::split_paths(&value).collect(),
                _ => {}
            }
        }
        if self.daemons.contains_key(&name) {
            return Err(Problem::new(place, format!("a second WSGIDaemonProcess {name}")));
        }
        self.daemons.insert(name, daemon);
        Ok(())
    }

    fn alias(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let place = &directive.place;
        let (url, rest) = super::line::word(&directive.args);
        let (target, rest) = super::line::word(rest);
        if context.section.is_some() {
            return Err(Problem::new(place, format!("{} is not allowed here", directive.name)));
        }
        if url.is_empty() || target.is_empty() {
            return Err(Problem::new(place, format!("{} takes a URL and a script", directive.name)));
        }
        let mut groups = Groups::default();
        for (option, value) in options(rest, place)? {
            let value = Some(Set { value, place: place.clone() });
            match option.as_str() {
                "process-group" => groups.process = value,
                "application-group" => groups.application = value,
                "callable-object" => groups.callable = value,
                "pass-authorization" => {}
                _ => {
                    return Err(Problem::new(place, format!("{option}= is no option of {}", directive.name)));
                }
            }
        }
        let is_match = directive.name == "wsgiscriptaliasmatch";
        let is_fixed = !is_match || !target.contains('$');
        if let (Some(process), Some(application)) = (&groups.process, &groups.application) {
            let (process, application) = (group(&process.value), group(&application.value));
            if is_fixed && !process.contains("%{") && !application.contains("%{") {
                self.known(&process, place)?;
                let script = target.clone();
                self.imports.push(Import { script, process, application, place: place.clone() });
            }
        }
        let alias = Alias { url, target, is_match, groups, place: place.clone() };
        self.servers[context.server].aliases.push(alias);
        Ok(())
    }

    fn import(&mut self, directive: &Directive) -> Result<(), Problem> {
        let place = &directive.place;
        let (script, rest) = super::line::word(&directive.args);
        let (mut process, mut application) = (None, None);
        for (option, value) in options(rest, place)? {
            match option.as_str() {
                "process-group" => process = Some(group(&value)),
                "application-group" => application = Some(group(&value)),
                _ => return Err(Problem::new(place, format!("{option}= is no option of WSGIImportScript"))),
            }
        }
        let (Some(process), Some(application)) = (process, application) else {
            return Err(Problem::new(place, "WSGIImportScript needs process-group= and application-group="));
        };
        self.known(&process, place)?;
        self.imports.push(Import { script, process, application, place: place.clone() });
        Ok(())
    }

    /// A daemon process must stand before what is loaded into it.
    fn known(&self, process: &str, place: &ConfigPlace) -> Result<(), Problem> {
        match process.is_empty() || self.daemons.contains_key(process) {
            true => Ok(()),
            false => {
                Err(Problem::new(place, format!("there is no WSGIDaemonProcess {process} above this line")))
            }
        }
    }
}

impl Server {
    fn named(&mut self, text: &str) {
        let text = text.split_once("://").map_or(text, |(_, name)| name);
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
            _ => (text, None),
        };
        self.name = Some(name.to_ascii_lowercase());
        self.port = port;
    }
}

fn block(section: &Directive) -> Result<Block, Problem> {
    let wrong = |what: String| Problem::new(&section.place, what);
    let (mut process, mut application) = (None, None);
    for word in words(&section.args) {
        let Some((key, value)) = word.split_once('=') else {
            return Err(wrong(format!("<WSGIInterpreterOptions>: {word:?} is not key=value")));
        };
        let selector = match key.to_ascii_lowercase().as_str() {
            "process-group" => &mut process,
            "application-group" => &mut application,
            _ => return Err(wrong(format!("<WSGIInterpreterOptions>: {key:?} is no selector"))),
        };
        if selector.replace(group(value)).is_some() {
            return Err(wrong(format!("<WSGIInterpreterOptions>: {key} more than once")));
        }
    }
    let (options, python_path) = (Options::default(), Vec::new());
    Ok(Block { process, application, options, python_path, place: section.place.clone() })
}
