//! Builds a site from the tree of directives, in the order in which mod_wsgi receives them (6.1.1,
//! `wsgi_config.c`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::access::{AccessCompat, AccessControl, AllowedClients};
use super::configuration_source::{ConfigurationError, ConfigurationSource, resolve_path};
use super::directive_validation::{DirectiveContext, is_wsgi_directive, validate_directive};
use super::enclosing_sections::EnclosingSections;
use super::lexer::{split_word, split_words};
use super::reader::{ConfigurationTree, Directive};
use super::regular_expression::RegularExpression;
use super::request_settings::{HtaccessOverrides, RequestSettings};
use super::rewrite::RewriteConfiguration;
use super::sections::{IfChainBranch, Section, SectionCondition};
use super::site::{ApacheSite, Server};
use super::url_mappings::{MappingAction, UrlMapping, UrlPattern, parse_status};
use super::values::{LocatedValue, parse_options};
use super::wsgi_directives;
use super::wsgi_module_file::WsgiModuleFile;
use crate::model::ConfigLocation;

/// Builds a site by walking the directives.
pub(super) struct SiteBuilder<'a> {
    tree: &'a ConfigurationTree,
    site: ApacheSite,
    root: PathBuf,
    chains: usize,
    /// `Order`, `Allow` and `Deny`, by the indexes of server and section.
    old_access: BTreeMap<(usize, Option<usize>), AccessCompat>,
}

impl<'a> SiteBuilder<'a> {
    pub(super) fn new(tree: &'a ConfigurationTree, source: &dyn ConfigurationSource) -> Self {
        let module = find_loaded_module(tree, source);
        let site = ApacheSite {
            servers: vec![Server::default()],
            module,
            not_told: tree.undecided.clone(),
            access_files: vec![".htaccess".to_owned()],
            ..ApacheSite::default()
        };
        let root = tree.known.root.clone();
        Self { tree, site, root, chains: 0, old_access: BTreeMap::new() }
    }

    /// Creates a builder for the lines of a `.htaccess`.
    pub(super) fn for_htaccess(tree: &'a ConfigurationTree, site: &ApacheSite) -> Self {
        let module = site.module.clone();
        let site = ApacheSite { servers: vec![Server::default()], module, ..ApacheSite::default() };
        let root = tree.known.root.clone();
        Self { tree, site, root, chains: usize::MAX / 2, old_access: BTreeMap::new() }
    }

    /// # Errors
    /// Apache would not start.
    pub(super) fn build_site(mut self) -> Result<ApacheSite, ConfigurationError> {
        self.check_module()?;
        let tree = self.tree;
        self.walk_directives(&tree.directives, &EnclosingSections::default())?;
        for ((server, section), access) in std::mem::take(&mut self.old_access) {
            let server = &mut self.site.servers[server];
            let section = section.and_then(|index| server.sections.get_mut(index));
            let place = section.as_ref().map(|section| section.place.clone());
            let settings = section.map_or(&mut server.settings, |section| &mut section.settings);
            if let Some(place) = place.or_else(|| server.place.clone()) {
                settings.old_access = Some(access.to_access_control(&place));
            }
        }
        Ok(self.site)
    }

    /// Returns the directives of a `.htaccess` as sections of its folder.
    ///
    /// # Errors
    /// Apache would answer requests with status 500.
    pub(super) fn build_htaccess_sections(
        mut self,
        directives: &[Directive],
        folder: SectionCondition,
        overrides: HtaccessOverrides,
    ) -> Result<Vec<Section>, ConfigurationError> {
        self.check_htaccess(directives, overrides)?;
        let place = directives.first().map(|directive| directive.place.clone());
        let Some(place) = place else { return Ok(Vec::new()) };
        let around = vec![folder];
        self.site.servers[0].sections.push(Section {
            conditions: around.clone(),
            settings: RequestSettings::default(),
            place,
            branch: None,
        });
        let enclosing = EnclosingSections { around, section: Some(0), ..EnclosingSections::default() };
        self.walk_directives(directives, &enclosing)?;
        Ok(std::mem::take(&mut self.site.servers[0].sections))
    }

    fn check_htaccess(
        &self,
        directives: &[Directive],
        overrides: HtaccessOverrides,
    ) -> Result<(), ConfigurationError> {
        for directive in directives {
            let refuse = |needs: &str| {
                let what = format!("{} needs AllowOverride {needs}", directive.name);
                Err(ConfigurationError::new(&directive.place, what))
            };
            match directive.name.as_str() {
                name if is_wsgi_directive(name) => {
                    let checked = validate_directive(
                        directive,
                        DirectiveContext::Htaccess(overrides),
                        &self.site.module,
                    );
                    if let Err(refused) = checked {
                        return Err(ConfigurationError::new(&directive.place, refused.into_message()));
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
                    return Err(ConfigurationError::new(&directive.place, what));
                }
                _ => {}
            }
            self.check_htaccess(&directive.children, overrides)?;
        }
        Ok(())
    }

    /// Records why the version of the loaded module is unknown.
    fn check_module(&mut self) -> Result<(), ConfigurationError> {
        let module = &self.site.module;
        if let (Some(file), Some(trouble)) = (&module.file, &module.trouble) {
            let newest = super::mod_wsgi_version::ModWsgiVersion::NEWEST;
            let what = format!("{} is assumed to be mod_wsgi {newest}: {trouble}", file.value.display());
            self.site.not_told.push((file.place.clone(), what));
        }
        Ok(())
    }

    fn walk_directives(
        &mut self,
        directives: &[Directive],
        enclosing: &EnclosingSections,
    ) -> Result<(), ConfigurationError> {
        let mut before = "";
        for directive in directives {
            if let Some(kind) = directive.name.strip_prefix('<') {
                if matches!(kind, "else" | "elseif") && !matches!(before, "<if" | "<elseif") {
                    let what = format!("<{kind}> without an <If> before it: Apache would not start");
                    return Err(ConfigurationError::new(&directive.place, what));
                }
                self.add_section(kind, directive, enclosing)?;
            } else {
                self.apply_directive(directive, enclosing)?;
            }
            before = &directive.name;
        }
        Ok(())
    }

    fn add_section(
        &mut self,
        kind: &str,
        section: &Directive,
        enclosing: &EnclosingSections,
    ) -> Result<(), ConfigurationError> {
        let mut inside = enclosing.clone();
        let refuse = || {
            Err(ConfigurationError::new(&section.place, format!("<{kind}> cannot be inside another section")))
        };
        self.note_undefined_variable(section);
        match kind {
            "virtualhost" => {
                if enclosing.server != 0 || enclosing.section.is_some() || enclosing.block.is_some() {
                    return Err(ConfigurationError::new(
                        &section.place,
                        "<VirtualHost> cannot be inside another section",
                    ));
                }
                inside.server = self.site.servers.len();
                let mut server = Server {
                    addresses: split_words(&section.args),
                    place: Some(section.place.clone()),
                    ..Server::default()
                };
                server.own_port = server.listen_port().or(self.site.servers[0].own_port);
                self.site.servers.push(server);
            }
            "wsgiinterpreteroptions" => {
                self.check_wsgi_directive(section, enclosing)?;
                inside.block = Some(self.site.blocks.len());
                let block = wsgi_directives::parse_options_block(section)?;
                self.site.blocks.push(block);
            }
            "limit" | "limitexcept" => {
                if enclosing.section.is_none() {
                    return Err(ConfigurationError::new(
                        &section.place,
                        format!("<{kind}> is not allowed here"),
                    ));
                }
                let is_named =
                    split_words(&section.args).iter().any(|method| method.eq_ignore_ascii_case("get"));
                inside.is_not_for_get |= is_named != (kind == "limit");
            }
            "requireall" | "requireany" | "requirenone" => {
                if !enclosing.is_not_for_get {
                    let access = parse_require_section(kind, section);
                    enclosing.settings_mut(&mut self.site).access = Some(access);
                }
                return Ok(());
            }
            "directory" | "directorymatch" | "location" | "locationmatch" if enclosing.section.is_some() => {
                return refuse();
            }
            "files" | "filesmatch" if enclosing.around.last().is_some_and(SectionCondition::is_location) => {
                return refuse();
            }
            _ if is_wsgi_directive(&section.name) => self.check_wsgi_directive(section, enclosing)?,
            _ => {
                if let Some(place) = SectionCondition::new(kind, &section.args) {
                    if let Some(trouble) = place.expression.as_ref().and_then(RegularExpression::syntax_error)
                    {
                        let what = format!("<{kind}>: {trouble}: Apache would not start");
                        return Err(ConfigurationError::new(&section.place, what));
                    }
                    inside.around.push(place);
                    let branch = matches!(kind, "if" | "elseif" | "else").then(|| {
                        self.chains += usize::from(kind == "if");
                        IfChainBranch { chain: self.chains, is_else: kind == "else" }
                    });
                    let server = &mut self.site.servers[enclosing.server];
                    inside.section = Some(server.sections.len());
                    server.sections.push(Section {
                        conditions: inside.around.clone(),
                        settings: RequestSettings::default(),
                        place: section.place.clone(),
                        branch,
                    });
                }
            }
        }
        self.walk_directives(&section.children, &inside)
    }

    /// Records an undefined variable in the arguments.
    fn note_undefined_variable(&mut self, directive: &Directive) {
        if let Some(variable) = directive.undefined.first() {
            let what = format!("the variable {variable} is not defined here");
            self.site.not_told.push((directive.place.clone(), what));
        }
    }

    /// Returns an error if Apache would reject the mod_wsgi directive.
    fn check_wsgi_directive(
        &mut self,
        directive: &Directive,
        enclosing: &EnclosingSections,
    ) -> Result<(), ConfigurationError> {
        let context = match (enclosing.block, enclosing.section, enclosing.server) {
            (Some(_), ..) => DirectiveContext::Block,
            (None, Some(_), _) => DirectiveContext::Section,
            (None, None, 0) => DirectiveContext::Main,
            (None, None, _) => DirectiveContext::Host,
        };
        if self.site.module.file.is_none() && self.tree.known.modules.has_any_module() {
            let what = "no LoadModule loads wsgi_module, which defines this directive: Apache would not \
                        start (on Debian: a2enmod wsgi)";
            return Err(ConfigurationError::new(&directive.place, what));
        }
        match validate_directive(directive, context, &self.site.module) {
            Ok(()) => Ok(()),
            Err(refused) => {
                let what = refused.into_error(directive)?;
                self.site.not_told.push(what);
                Ok(())
            }
        }
    }

    fn apply_directive(
        &mut self,
        directive: &Directive,
        enclosing: &EnclosingSections,
    ) -> Result<(), ConfigurationError> {
        let Directive { name, args, place, undefined, .. } = directive;
        let is_wsgi = is_wsgi_directive(name);
        if !undefined.is_empty() && affects_result(directive) {
            self.note_undefined_variable(directive);
        }
        if is_wsgi {
            self.check_wsgi_directive(directive, enclosing)?;
            return wsgi_directives::apply_wsgi_directive(&mut self.site, directive, enclosing);
        }
        self.check_httpd_directive(directive, enclosing)?;
        let given = split_words(args);
        let first = given.first().cloned().unwrap_or_default();
        let second = given.get(1).cloned().unwrap_or_default();
        let root = self.root.clone();
        let server = &mut self.site.servers[enclosing.server];
        match name.as_str() {
            "servername" if enclosing.section.is_none() => server.set_name(&first),
            "serveralias" if enclosing.section.is_none() => server.aliases_of_host.extend(given),
            "documentroot" if enclosing.section.is_none() => server.root = Some(resolve_path(&root, &first)),
            "listen" => {
                let port = first.rsplit(':').next().and_then(|port| port.parse().ok());
                self.site.ports.extend::<Option<u16>>(port);
            }
            "accessfilename" => self.site.access_files = given,
            "alias" | "aliasmatch" | "scriptalias" | "scriptaliasmatch" if enclosing.section.is_none() => {
                let target = resolve_path(&root, &second).to_string_lossy().into_owned();
                let target =
                    if second.ends_with('/') { format!("{}/", target.trim_end_matches('/')) } else { target };
                let takes = if name.starts_with("script") {
                    MappingAction::Cgi(target)
                } else {
                    MappingAction::Files(target)
                };
                let pattern = UrlPattern::from_directive(name, &first);
                server.aliases.push(UrlMapping { pattern, takes, place: place.clone() });
            }
            "alias" | "scriptalias" => {
                let what = format!("wsgiaudit does not analyze {name} in a section");
                self.site.not_told.push((place.clone(), what));
            }
            "redirect" | "redirectmatch" | "redirectpermanent" | "redirecttemp" => {
                let redirect = parse_redirect(name, &given, enclosing, place);
                match enclosing.section {
                    None => server.redirects.extend(redirect),
                    Some(_) => enclosing.settings_mut(&mut self.site).redirects.extend(redirect),
                }
            }
            "proxypass" | "proxypassmatch" => {
                let (path, address) = match enclosing.around.last() {
                    Some(around) => (around.argument.clone(), first),
                    None => (first, second),
                };
                let takes = MappingAction::Proxy(address != "!");
                server.proxies.push(UrlMapping {
                    pattern: UrlPattern::from_directive(name, &path),
                    takes,
                    place: place.clone(),
                });
            }
            name if name.starts_with("rewrite") => match enclosing.section {
                None => server.rewriting.add_directive(name, args, place),
                Some(_) => {
                    enclosing
                        .settings_mut(&mut self.site)
                        .rewriting
                        .get_or_insert_with(RewriteConfiguration::default)
                        .add_directive(name, args, place);
                }
            },
            "virtualdocumentroot" | "virtualscriptalias" | "userdir"
                if !matches!(first.to_ascii_lowercase().as_str(), "disabled" | "none") =>
            {
                server.root = None;
            }
            _ => self.apply_httpd_directive(directive, &given, enclosing),
        }
        Ok(())
    }

    /// Returns an error if httpd would reject one of its own directives.
    fn check_httpd_directive(
        &mut self,
        directive: &Directive,
        enclosing: &EnclosingSections,
    ) -> Result<(), ConfigurationError> {
        let name = directive.name.as_str();
        let is_of_sections =
            matches!(name, "require" | "order" | "allow" | "deny" | "satisfy" | "authtype" | "allowoverride");
        if is_of_sections && enclosing.section.is_none() {
            let what =
                format!("{name} is not allowed outside of <Directory> and the like: Apache would not start");
            return Err(ConfigurationError::new(&directive.place, what));
        }
        let modules = &self.tree.known.modules;
        let needed =
            super::conditional_sections::module_of_directive(name).filter(|_| modules.has_any_module());
        if let Some(module) = needed.filter(|module| !modules.has_module(&format!("{module}_module"))) {
            let what = format!(
                "no LoadModule loads {module}_module, which defines {name}: Apache would not start without it"
            );
            self.site.not_told.push((directive.place.clone(), what));
        }
        Ok(())
    }

    /// Applies the httpd directives that servers and sections share.
    fn apply_httpd_directive(
        &mut self,
        directive: &Directive,
        given: &[String],
        enclosing: &EnclosingSections,
    ) {
        let Directive { name, args, place, .. } = directive;
        let first = given.first().cloned().unwrap_or_default();
        let has = |wanted: &str| given.iter().any(|word| word.eq_ignore_ascii_case(wanted));
        if matches!(name.as_str(), "order" | "allow" | "deny") {
            if !enclosing.is_not_for_get {
                let access = self.old_access.entry((enclosing.server, enclosing.section)).or_default();
                access.add_directive(name, args, place);
            }
            return;
        }
        let is_folder = enclosing.around.last().is_some_and(SectionCondition::is_directory);
        let settings = enclosing.settings_mut(&mut self.site);
        match name.as_str() {
            "sethandler" => settings.handler = Some(LocatedValue { value: first, place: place.clone() }),
            "addhandler" | "addtype" => {
                for extension in given.iter().skip(1) {
                    let extension = extension.trim_start_matches('.').to_ascii_lowercase();
                    let is_type = name == "addtype" && !first.contains("x-httpd-wsgi");
                    if !is_type {
                        let handler = LocatedValue { value: first.clone(), place: place.clone() };
                        settings.by_extension.insert(extension, handler);
                    }
                }
            }
            "removehandler" => {
                for extension in given {
                    let extension = extension.trim_start_matches('.').to_ascii_lowercase();
                    let none = LocatedValue { value: String::new(), place: place.clone() };
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
            "allowoverride" if is_folder => settings.overrides = Some(HtaccessOverrides::new(given)),
            "allowoverridelist" if is_folder && first != "None" => {
                settings.overrides =
                    Some(HtaccessOverrides { others: true, ..settings.overrides.unwrap_or_default() });
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
            "require" if !enclosing.is_not_for_get => {
                settings.access = Some(AccessControl::add_require(settings.access.take(), args, place));
            }
            "authmerging" if first.eq_ignore_ascii_case("and") || first.eq_ignore_ascii_case("or") => {
                settings.access = Some(AccessControl::new_restricted(place));
            }
            "satisfy" if first.eq_ignore_ascii_case("any") => {
                settings.access = Some(AccessControl::new_restricted(place))
            }
            "acceptpathinfo" => {
                settings.takes_path_info = Some(!first.eq_ignore_ascii_case("off"));
            }
            "usecanonicalname" => settings.is_canonical = Some(first.eq_ignore_ascii_case("on")),
            _ => {}
        }
    }
}

/// Returns the loaded module. The first line wins: Apache ignores a module that is already loaded.
fn find_loaded_module(tree: &ConfigurationTree, source: &dyn ConfigurationSource) -> WsgiModuleFile {
    let lines = tree.directives.iter().filter(|directive| directive.name == "loadmodule");
    let mut named = lines.filter_map(|directive| {
        let given = split_words(&directive.args);
        let file = given.get(1).filter(|_| given.first().is_some_and(|name| name == "wsgi_module"))?;
        Some(LocatedValue { value: resolve_path(&tree.known.root, file), place: directive.place.clone() })
    });
    named.next().map_or_else(WsgiModuleFile::default, |file| WsgiModuleFile::read_module(file, source))
}

/// Whether an undefined variable in the directive can affect the result.
fn affects_result(directive: &Directive) -> bool {
    match directive.name.as_str() {
        "wsgidaemonprocess" => {
            let (name, rest) = split_word(&directive.args);
            let is_open = |(option, value): &(String, String)| {
                super::directive_table::RELEVANT_DAEMON_OPTIONS.contains(&option.as_str())
                    && value.contains("${")
            };
            name.contains("${") || parse_options(rest).map_or(true, |all| all.iter().any(is_open))
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

/// Parses `Redirect [STATUS] URL [TARGET]`; inside a section the URL may be that of the section.
fn parse_redirect(
    name: &str,
    given: &[String],
    enclosing: &EnclosingSections,
    place: &ConfigLocation,
) -> Option<UrlMapping> {
    let first = given.first()?;
    let (answer, rest) = match (name, parse_status(first)) {
        ("redirect" | "redirectmatch", Some(answer)) => (answer, given.get(1..).unwrap_or_default()),
        ("redirectpermanent", _) => (301, given),
        (_, _) => (302, given),
    };
    let around = enclosing.around.last().map(|around| around.argument.clone());
    let url = match rest {
        [] => around?,
        [only] if answer < 400 => around.filter(|_| !only.is_empty())?,
        [url, ..] => url.clone(),
    };
    Some(UrlMapping {
        pattern: UrlPattern::from_directive(name, &url),
        takes: MappingAction::Answer(answer),
        place: place.clone(),
    })
}

/// Evaluates `<RequireAll>`, `<RequireAny>` and `<RequireNone>`.
fn parse_require_section(kind: &str, section: &Directive) -> AccessControl {
    let mut found: Option<AccessControl> = None;
    let mut all: Vec<AllowedClients> = Vec::new();
    for child in &section.children {
        let access = match child.name.strip_prefix('<') {
            Some(inner) => parse_require_section(inner, child),
            None if child.name == "require" => AccessControl::add_require(None, &child.args, &child.place),
            None => continue,
        };
        all.push(access.allows);
        found.get_or_insert(access);
    }
    let is_all = |wanted: AllowedClients| all.iter().all(|each| *each == wanted);
    let has = |wanted: AllowedClients| all.contains(&wanted);
    let allows = match kind {
        "requireall" if has(AllowedClients::None) => AllowedClients::None,
        "requireany" if has(AllowedClients::All) => AllowedClients::All,
        "requireall" | "requireany" if is_all(AllowedClients::All) => AllowedClients::All,
        "requireany" if is_all(AllowedClients::None) => AllowedClients::None,
        _ => AllowedClients::Some,
    };
    AccessControl { place: found.map_or_else(|| section.place.clone(), |access| access.place), allows }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directive(name: &str, args: &str, children: Vec<Directive>) -> Directive {
        let place = ConfigLocation { file: "/x".into(), line: 1 };
        Directive { name: name.to_owned(), args: args.to_owned(), place, children, undefined: Vec::new() }
    }

    #[test]
    fn a_section_of_requirements_is_for_all_for_some_or_for_none() {
        use AllowedClients::{All, None, Some};
        for (requirements, expected_all, expected_any) in [
            (vec!["all granted", "all granted"], All, All),
            (vec!["all denied", "all denied"], None, None),
            (vec!["ip 10", "user x"], Some, Some),
            (vec!["all granted", "ip 10"], Some, All),
            (vec!["all denied", "ip 10"], None, Some),
        ] {
            let children =
                || requirements.iter().map(|args| directive("require", args, Vec::new())).collect();
            let allows = |kind: &str| parse_require_section(kind, &directive(kind, "", children())).allows;
            let found = (allows("requireall"), allows("requireany"), allows("requirenone"));
            assert_eq!(found, (expected_all, expected_any, Some), "{requirements:?}");
        }
        let nested = directive("<requireany", "", vec![directive("require", "all granted", Vec::new())]);
        assert_eq!(
            parse_require_section("requireall", &directive("<requireall", "", vec![nested])).allows,
            All
        );
    }
}
