//! From the tree of directives to a site, in the order in which mod_wsgi is handed them (6.1.1, `wsgi_config.c`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::access::{Access, Allows, OldAccess};
use super::allowed::{Spot, check, is_of_mod_wsgi};
use super::expression::Expression;
use super::line::{word, words};
use super::mappings::{Mapping, Pattern, Takes, status};
use super::module_file::ModuleFile;
use super::read::{Directive, Tree};
use super::rewrite::Rewriting;
use super::sections::{Branch, Section, Where};
use super::settings::{Overrides, Settings};
use super::site::{Server, Site};
use super::source::{Problem, Source, below};
use super::values::{Set, options};
use crate::model::ConfigPlace;

/// Reads directives into a site.
pub(super) struct Walk<'a> {
    tree: &'a Tree,
    pub(super) site: Site,
    root: PathBuf,
    chains: usize,
    /// `Order`, `Allow` and `Deny` of a section, by the server and the section.
    old_access: BTreeMap<(usize, Option<usize>), OldAccess>,
}

/// Where the walk is.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    pub(super) server: usize,
    around: Vec<Where>,
    /// The index of the section that directives go to.
    section: Option<usize>,
    pub(super) block: Option<usize>,
    /// The directives are for some methods, and GET is not among them.
    is_not_for_get: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree, source: &dyn Source) -> Self {
        let module = loaded(tree, source);
        let site = Site {
            servers: vec![Server::default()],
            module,
            not_told: tree.undecided.clone(),
            access_files: vec![".htaccess".to_owned()],
            ..Site::default()
        };
        let root = tree.known.root.clone();
        Self { tree, site, root, chains: 0, old_access: BTreeMap::new() }
    }

    /// For the lines of a `.htaccess`.
    pub(super) fn of_htaccess(tree: &'a Tree, site: &Site) -> Self {
        let module = site.module.clone();
        let site = Site { servers: vec![Server::default()], module, ..Site::default() };
        let root = tree.known.root.clone();
        Self { tree, site, root, chains: usize::MAX / 2, old_access: BTreeMap::new() }
    }

    /// # Errors
    /// What mod_wsgi would not start with.
    pub(super) fn site(mut self) -> Result<Site, Problem> {
        self.check_module()?;
        let tree = self.tree;
        self.walk(&tree.directives, &Context::default())?;
        for ((server, section), access) in std::mem::take(&mut self.old_access) {
            let server = &mut self.site.servers[server];
            let section = section.and_then(|index| server.sections.get_mut(index));
            let place = section.as_ref().map(|section| section.place.clone());
            let settings = section.map_or(&mut server.settings, |section| &mut section.settings);
            if let Some(place) = place.or_else(|| server.place.clone()) {
                settings.old_access = Some(access.access(&place));
            }
        }
        Ok(self.site)
    }

    /// A `.htaccess`: its directives as sections below its folder.
    ///
    /// # Errors
    /// What Apache answers requests with 500 for.
    pub(super) fn htaccess(
        mut self,
        directives: &[Directive],
        folder: Where,
        overrides: Overrides,
    ) -> Result<Vec<Section>, Problem> {
        self.check_htaccess(directives, overrides)?;
        let place = directives.first().map(|directive| directive.place.clone());
        let Some(place) = place else { return Ok(Vec::new()) };
        let around = vec![folder];
        self.site.servers[0].sections.push(Section {
            conditions: around.clone(),
            settings: Settings::default(),
            place,
            branch: None,
        });
        let context = Context { around, section: Some(0), ..Context::default() };
        self.walk(directives, &context)?;
        Ok(std::mem::take(&mut self.site.servers[0].sections))
    }

    fn check_htaccess(&self, directives: &[Directive], overrides: Overrides) -> Result<(), Problem> {
        for directive in directives {
            let refuse = |needs: &str| {
                let what = format!("{} needs AllowOverride {needs}", directive.name);
                Err(Problem::new(&directive.place, what))
            };
            match directive.name.as_str() {
                name if is_of_mod_wsgi(name) => {
                    let checked = check(directive, Spot::Htaccess(overrides), &self.site.module);
                    if let Err(refused) = checked {
                        return Err(Problem::new(&directive.place, refused.what()));
                    }
                }
                "sethandler" | "addhandler" | "setenv" | "rewriteengine" | "rewriterule" | "rewritecond"
                | "redirect" | "redirectmatch"
                    if !overrides.file_info && !overrides.others =>
                {
                    return refuse("FileInfo");
                }
                "options" if !overrides.options && !overrides.others => return refuse("Options"),
                "require" | "authtype" if !overrides.auth_config && !overrides.others => {
                    return refuse("AuthConfig");
                }
                "<directory" | "<location" | "<virtualhost" | "alias" | "scriptalias" | "allowoverride" => {
                    let what = format!("{} is not allowed in a .htaccess", directive.name);
                    return Err(Problem::new(&directive.place, what));
                }
                _ => {}
            }
            self.check_htaccess(&directive.children, overrides)?;
        }
        Ok(())
    }

    /// Whether mod_wsgi is loaded at all, where its directives are used.
    fn check_module(&mut self) -> Result<(), Problem> {
        let module = &self.site.module;
        if let (Some(file), Some(trouble)) = (&module.file, &module.trouble) {
            let newest = super::release::Release::NEWEST;
            let what = format!("{} is taken for mod_wsgi {newest}: {trouble}", file.value.display());
            self.site.not_told.push((file.place.clone(), what));
        }
        Ok(())
    }

    fn walk(&mut self, directives: &[Directive], context: &Context) -> Result<(), Problem> {
        let mut before = "";
        for directive in directives {
            if let Some(kind) = directive.name.strip_prefix('<') {
                if matches!(kind, "else" | "elseif") && !matches!(before, "<if" | "<elseif") {
                    let what = format!("<{kind}> without an <If> before it: Apache would not start");
                    return Err(Problem::new(&directive.place, what));
                }
                self.section(kind, directive, context)?;
            } else {
                self.directive(directive, context)?;
            }
            before = &directive.name;
        }
        Ok(())
    }

    fn section(&mut self, kind: &str, section: &Directive, context: &Context) -> Result<(), Problem> {
        let mut inside = context.clone();
        let refuse = || Err(Problem::new(&section.place, format!("<{kind}> inside of another section")));
        self.untold(section);
        match kind {
            "virtualhost" => {
                if context.server != 0 || context.section.is_some() || context.block.is_some() {
                    return Err(Problem::new(&section.place, "<VirtualHost> inside of another section"));
                }
                inside.server = self.site.servers.len();
                let mut server = Server {
                    addresses: words(&section.args),
                    place: Some(section.place.clone()),
                    ..Server::default()
                };
                server.own_port = server.listens_on().or(self.site.servers[0].own_port);
                self.site.servers.push(server);
            }
            "wsgiinterpreteroptions" => {
                self.check(section, context)?;
                inside.block = Some(self.site.blocks.len());
                let block = super::of_mod_wsgi::block(section)?;
                self.site.blocks.push(block);
            }
            "limit" | "limitexcept" => {
                if context.section.is_none() {
                    return Err(Problem::new(&section.place, format!("<{kind}> is not allowed here")));
                }
                let is_named = words(&section.args).iter().any(|method| method.eq_ignore_ascii_case("get"));
                inside.is_not_for_get |= is_named != (kind == "limit");
            }
            "requireall" | "requireany" | "requirenone" => {
                if !context.is_not_for_get {
                    let access = required(kind, section);
                    self.settings(context).access = Some(access);
                }
                return Ok(());
            }
            "directory" | "directorymatch" | "location" | "locationmatch" if context.section.is_some() => {
                return refuse();
            }
            "files" | "filesmatch" if context.around.last().is_some_and(Where::is_location) => {
                return refuse();
            }
            _ if is_of_mod_wsgi(&section.name) => self.check(section, context)?,
            _ => {
                if let Some(place) = Where::new(kind, &section.args) {
                    if let Some(trouble) = place.expression.as_ref().and_then(Expression::trouble) {
                        let what = format!("<{kind}>: {trouble}: Apache would not start");
                        return Err(Problem::new(&section.place, what));
                    }
                    inside.around.push(place);
                    let branch = matches!(kind, "if" | "elseif" | "else").then(|| {
                        self.chains += usize::from(kind == "if");
                        Branch { chain: self.chains, is_else: kind == "else" }
                    });
                    let server = &mut self.site.servers[context.server];
                    inside.section = Some(server.sections.len());
                    server.sections.push(Section {
                        conditions: inside.around.clone(),
                        settings: Settings::default(),
                        place: section.place.clone(),
                        branch,
                    });
                }
            }
        }
        self.walk(&section.children, &inside)
    }

    /// A variable in a section's arguments that is not known here.
    fn untold(&mut self, directive: &Directive) {
        if let Some(variable) = directive.undefined.first() {
            let what = format!("the variable {variable} is not defined here");
            self.site.not_told.push((directive.place.clone(), what));
        }
    }

    /// What directives set there.
    pub(super) fn settings(&mut self, context: &Context) -> &mut Settings {
        let server = &mut self.site.servers[context.server];
        let section = context.section.and_then(|index| server.sections.get_mut(index));
        section.map_or(&mut server.settings, |section| &mut section.settings)
    }

    /// Refuses what mod_wsgi would.
    fn check(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let spot = match (context.block, context.section, context.server) {
            (Some(_), ..) => Spot::Block,
            (None, Some(_), _) => Spot::Section,
            (None, None, 0) => Spot::Main,
            (None, None, _) => Spot::Host,
        };
        if self.site.module.file.is_none() && self.tree.known.modules.any() {
            let what = "no LoadModule loads wsgi_module: Apache would not start with a directive of its (on Debian: \
                        a2enmod wsgi)";
            return Err(Problem::new(&directive.place, what));
        }
        match check(directive, spot, &self.site.module) {
            Ok(()) => Ok(()),
            Err(refused) => {
                let what = refused.at(directive)?;
                self.site.not_told.push(what);
                Ok(())
            }
        }
    }

    fn directive(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let Directive { name, args, place, undefined, .. } = directive;
        let is_wsgi = is_of_mod_wsgi(name);
        if !undefined.is_empty() && touches(directive) {
            self.untold(directive);
        }
        if is_wsgi {
            self.check(directive, context)?;
            return self.of_mod_wsgi(directive, context);
        }
        self.check_httpd(directive, context)?;
        let given = words(args);
        let first = given.first().cloned().unwrap_or_default();
        let second = given.get(1).cloned().unwrap_or_default();
        let root = self.root.clone();
        let server = &mut self.site.servers[context.server];
        match name.as_str() {
            "servername" if context.section.is_none() => server.set_name(&first),
            "serveralias" if context.section.is_none() => server.aliases_of_host.extend(given),
            "documentroot" if context.section.is_none() => server.root = Some(below(&root, &first)),
            "listen" => {
                let port = first.rsplit(':').next().and_then(|port| port.parse().ok());
                self.site.ports.extend::<Option<u16>>(port);
            }
            "accessfilename" => self.site.access_files = given,
            "alias" | "aliasmatch" | "scriptalias" | "scriptaliasmatch" if context.section.is_none() => {
                let target = below(&root, &second).to_string_lossy().into_owned();
                let target =
                    if second.ends_with('/') { format!("{}/", target.trim_end_matches('/')) } else { target };
                let takes =
                    if name.starts_with("script") { Takes::Cgi(target) } else { Takes::Files(target) };
                let pattern = pattern(name, &first);
                server.aliases.push(Mapping { pattern, takes, place: place.clone() });
            }
            "alias" | "scriptalias" => {
                let what = format!("{name} in a section is not followed");
                self.site.not_told.push((place.clone(), what));
            }
            "redirect" | "redirectmatch" | "redirectpermanent" | "redirecttemp" => {
                let redirect = redirect(name, &given, context, place);
                match context.section {
                    None => server.redirects.extend(redirect),
                    Some(_) => self.settings(context).redirects.extend(redirect),
                }
            }
            "proxypass" | "proxypassmatch" => {
                let (path, address) = match context.around.last() {
                    Some(around) => (around.argument.clone(), first),
                    None => (first, second),
                };
                let takes = Takes::Proxy(address != "!");
                server.proxies.push(Mapping { pattern: pattern(name, &path), takes, place: place.clone() });
            }
            name if name.starts_with("rewrite") => match context.section {
                None => server.rewriting.add(name, args, place),
                Some(_) => {
                    self.settings(context)
                        .rewriting
                        .get_or_insert_with(Rewriting::default)
                        .add(name, args, place);
                }
            },
            "virtualdocumentroot" | "virtualscriptalias" | "userdir"
                if !matches!(first.to_ascii_lowercase().as_str(), "disabled" | "none") =>
            {
                server.root = None;
            }
            _ => self.of_apache(directive, &given, context),
        }
        Ok(())
    }

    /// Refuses what httpd would, of the directives that are read here.
    fn check_httpd(&mut self, directive: &Directive, context: &Context) -> Result<(), Problem> {
        let name = directive.name.as_str();
        let is_of_sections =
            matches!(name, "require" | "order" | "allow" | "deny" | "satisfy" | "authtype" | "allowoverride");
        if is_of_sections && context.section.is_none() {
            let what =
                format!("{name} is not allowed outside of <Directory> and the like: Apache would not start");
            return Err(Problem::new(&directive.place, what));
        }
        let modules = &self.tree.known.modules;
        let needed = super::conditions::module_of(name).filter(|_| modules.any());
        if let Some(module) = needed.filter(|module| !modules.has(&format!("{module}_module"))) {
            let what = format!(
                "no LoadModule loads {module}_module, which {name} is of: Apache would not start without it"
            );
            self.site.not_told.push((directive.place.clone(), what));
        }
        Ok(())
    }

    /// Directives of httpd that sections and servers set alike.
    fn of_apache(&mut self, directive: &Directive, given: &[String], context: &Context) {
        let Directive { name, args, place, .. } = directive;
        let first = given.first().cloned().unwrap_or_default();
        let has = |wanted: &str| given.iter().any(|word| word.eq_ignore_ascii_case(wanted));
        if matches!(name.as_str(), "order" | "allow" | "deny") {
            if !context.is_not_for_get {
                let access = self.old_access.entry((context.server, context.section)).or_default();
                access.add(name, args, place);
            }
            return;
        }
        let is_folder = context.around.last().is_some_and(Where::is_folder);
        let settings = self.settings(context);
        match name.as_str() {
            "sethandler" => settings.handler = Some(Set { value: first, place: place.clone() }),
            "addhandler" | "addtype" => {
                for extension in given.iter().skip(1) {
                    let extension = extension.trim_start_matches('.').to_ascii_lowercase();
                    let is_type = name == "addtype" && !first.contains("x-httpd-wsgi");
                    if !is_type {
                        let handler = Set { value: first.clone(), place: place.clone() };
                        settings.by_extension.insert(extension, handler);
                    }
                }
            }
            "removehandler" => {
                for extension in given {
                    let extension = extension.trim_start_matches('.').to_ascii_lowercase();
                    let none = Set { value: String::new(), place: place.clone() };
                    settings.by_extension.insert(extension, none);
                }
            }
            "setenv" => {
                let value = directive.undefined.is_empty().then(|| given.get(1).cloned().unwrap_or_default());
                settings.variables.insert(first, value);
            }
            "setenvif" | "setenvifnocase" | "browsermatch" | "browsermatchnocase" | "setenvifexpr" => {
                let skipped = if name.starts_with("setenvif") && name != "setenvifexpr" { 2 } else { 1 };
                for set in given.iter().skip(skipped) {
                    let set = set.trim_start_matches('!').split('=').next().unwrap_or_default();
                    settings.variables.insert(set.to_owned(), None);
                }
            }
            "passenv" | "unsetenv" => {
                for variable in given {
                    settings.variables.insert(variable.clone(), None);
                }
            }
            "allowoverride" if is_folder => settings.overrides = Some(Overrides::new(given)),
            "allowoverridelist" if is_folder && first != "None" => {
                settings.overrides =
                    Some(Overrides { others: true, ..settings.overrides.unwrap_or_default() });
            }
            "options" => {
                let is_added = given.iter().any(|word| word.starts_with(['+', '-']));
                let value = match () {
                    () if has("+ExecCGI") || has("ExecCGI") || has("All") || has("+All") => Some(true),
                    () if has("-ExecCGI") || has("-All") || !is_added => Some(false),
                    () => None,
                };
                settings.runs_scripts = value.or(settings.runs_scripts);
            }
            "require" if !context.is_not_for_get => {
                settings.access = Some(Access::require(settings.access.take(), args, place));
            }
            "authmerging" if first.eq_ignore_ascii_case("and") || first.eq_ignore_ascii_case("or") => {
                settings.access = Some(Access::some(place));
            }
            "satisfy" if first.eq_ignore_ascii_case("any") => settings.access = Some(Access::some(place)),
            "acceptpathinfo" => {
                settings.takes_path_info = Some(!first.eq_ignore_ascii_case("off"));
            }
            "usecanonicalname" => settings.is_canonical = Some(first.eq_ignore_ascii_case("on")),
            _ => {}
        }
    }
}

/// The module that is loaded; the first line counts, as Apache skips what is loaded already.
fn loaded(tree: &Tree, source: &dyn Source) -> ModuleFile {
    let lines = tree.directives.iter().filter(|directive| directive.name == "loadmodule");
    let mut named = lines.filter_map(|directive| {
        let given = words(&directive.args);
        let file = given.get(1).filter(|_| given.first().is_some_and(|name| name == "wsgi_module"))?;
        Some(Set { value: below(&tree.known.root, file), place: directive.place.clone() })
    });
    named.next().map_or_else(ModuleFile::default, |file| ModuleFile::read(file, source))
}

/// Whether a variable in a directive touches what is said here.
fn touches(directive: &Directive) -> bool {
    match directive.name.as_str() {
        "wsgidaemonprocess" => {
            let (name, rest) = word(&directive.args);
            let is_open = |(option, value): &(String, String)| {
                super::directives::DECIDING.contains(&option.as_str()) && value.contains("${")
            };
            name.contains("${") || options(rest).map_or(true, |all| all.iter().any(is_open))
        }
        "wsgisocketprefix"
        | "wsgipythoneggs"
        | "wsgiacceptmutex"
        | "wsgitelemetryservice"
        | "wsgitrustedproxies"
        | "wsgitrustedproxyheaders" => false,
        name if name.starts_with("wsgi") => true,
        name => [
            "servername",
            "serveralias",
            "documentroot",
            "alias",
            "scriptalias",
            "redirect",
            "proxypass",
            "sethandler",
            "addhandler",
            "listen",
            "options",
            "allowoverride",
            "require",
            "rewriterule",
        ]
        .iter()
        .any(|known| name.starts_with(known)),
    }
}

/// A prefix, or the expression of a directive that ends in `Match`.
pub(super) fn pattern(name: &str, text: &str) -> Pattern {
    match name.ends_with("match") {
        true => Pattern::Match(Expression::new(text)),
        false => Pattern::Prefix(text.to_owned()),
    }
}

/// `Redirect [STATUS] URL [TARGET]`; in a section the URL may be that of the section.
fn redirect(name: &str, given: &[String], context: &Context, place: &ConfigPlace) -> Option<Mapping> {
    let first = given.first()?;
    let (answer, rest) = match (name, status(first)) {
        ("redirect" | "redirectmatch", Some(answer)) => (answer, given.get(1..).unwrap_or_default()),
        ("redirectpermanent", _) => (301, given),
        (_, _) => (302, given),
    };
    let around = context.around.last().map(|around| around.argument.clone());
    let url = match rest {
        [] => around?,
        [only] if answer < 400 => around.filter(|_| !only.is_empty())?,
        [url, ..] => url.clone(),
    };
    Some(Mapping { pattern: pattern(name, &url), takes: Takes::Answer(answer), place: place.clone() })
}

/// `<RequireAll>` and its kin.
fn required(kind: &str, section: &Directive) -> Access {
    let mut found: Option<Access> = None;
    let mut all: Vec<Allows> = Vec::new();
    for child in &section.children {
        let access = match child.name.strip_prefix('<') {
            Some(inner) => required(inner, child),
            None if child.name == "require" => Access::require(None, &child.args, &child.place),
            None => continue,
        };
        all.push(access.allows);
        found.get_or_insert(access);
    }
    let is_all = |wanted: Allows| all.iter().all(|each| *each == wanted);
    let has = |wanted: Allows| all.contains(&wanted);
    let allows = match kind {
        "requireall" if has(Allows::None) => Allows::None,
        "requireany" if has(Allows::All) => Allows::All,
        "requireall" | "requireany" if is_all(Allows::All) => Allows::All,
        "requireany" if is_all(Allows::None) => Allows::None,
        _ => Allows::Some,
    };
    Access { place: found.map_or_else(|| section.place.clone(), |access| access.place), allows }
}
