//! What a request comes to (httpd 2.4, `server/request.c`; mod_wsgi 6.1.1, `wsgi_hook_handler`, `wsgi_execute_remote`): the sections
//! that are for it, who may ask, the handler, and the groups.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::access::Allows;
use super::located::{Kind, Located, Translated, WSGI_SCRIPT};
use super::mappings::Fit;
use super::names::{Asked, Name};
use super::read::{Known, read_htaccess};
use super::rewrite::{Place, Rewritten};
use super::sections::{Held, Section, Stage, Where};
use super::settings::{Overrides, Settings};
use super::site::Site;
use super::source::Source;
use super::values::Set;
use super::walk::Walk;
use super::{dispatch, read};
use crate::model::ConfigPlace;

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// mod_wsgi is asked.
    Served(Box<Served>),
    /// Something else answers; the line that takes the request.
    Elsewhere(Option<ConfigPlace>),
    /// Apache refuses before mod_wsgi is asked.
    Refused { refusal: Refusal, taker: Option<ConfigPlace> },
}

/// A request that mod_wsgi is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) script: PathBuf,
    pub(super) process: Name,
    pub(super) application: Name,
    pub(super) callable: Name,
    pub(super) script_name: String,
    /// Whether the default, `%{RESOURCE}`, names the application group.
    pub(super) is_by_url: bool,
    pub(super) reloads: bool,
    /// The line that lets only some clients ask.
    pub(super) limited: Option<ConfigPlace>,
    /// The line that serves it.
    pub(super) place: ConfigPlace,
    /// mod_wsgi refuses it.
    pub(super) refusal: Option<Refusal>,
}

/// A request that is answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) rule: &'static str,
    pub(super) place: ConfigPlace,
    pub(super) text: String,
}

/// A request's way.
#[derive(Clone, Debug, Default)]
pub(super) struct Traced {
    /// What it may come to; one where that is decided.
    pub(super) ends: Vec<End>,
    /// Sections that are for it, or may be.
    pub(super) sections: BTreeSet<ConfigPlace>,
    /// Why it is not decided.
    pub(super) not_told: Vec<(ConfigPlace, String)>,
}

/// Internal redirects of one request, as Apache allows them (`LimitInternalRecursion`).
const REDIRECTS: usize = 10;

/// Ways that a request may take: more are not followed.
const WAYS: usize = 64;

/// Follows requests to one server.
pub(super) struct Requests<'a> {
    pub(super) site: &'a Site,
    pub(super) index: usize,
    pub(super) known: &'a Known,
    pub(super) source: &'a dyn Source,
}

impl Requests<'_> {
    /// A GET request for a URL.
    pub(super) fn get(&self, url: &str) -> Traced {
        self.follow(url, 0)
    }

    fn follow(&self, url: &str, redirects: usize) -> Traced {
        let mut traced = Traced::default();
        let located = match self.site.translate(self.index, url, self.source) {
            Translated::File(located) => located,
            Translated::Elsewhere(place) => {
                traced.ends.push(End::Elsewhere(place));
                return traced;
            }
            Translated::NotTold(place, what) => {
                traced.not_told.push((place, what));
                return traced;
            }
        };
        let settings = self.settings(&located, &mut traced);
        for way in settings {
            let end = self.end(&located, &way, redirects, &mut traced);
            if !traced.ends.contains(&end) {
                traced.ends.push(end);
            }
        }
        if traced.ends.len() == 1 {
            // What the ways differ in does not matter.
            traced.not_told.retain(|(_, what)| !what.starts_with(WHETHER));
        }
        traced
    }

    /// What sections come to: one for each way that a request may take.
    fn settings(&self, located: &Located, traced: &mut Traced) -> Vec<Settings> {
        let (main, server) = (&self.site.servers[0], &self.site.servers[self.index]);
        let base = if self.index == 0 {
            main.settings.clone()
        } else {
            server.settings.clone().over(&main.settings)
        };
        let htaccess = self.htaccess(located, &base);
        let of_main = if self.index == 0 { [].iter() } else { main.sections.iter() };
        // The main server's come first among those of one rank; a `.htaccess` after the section of its folder.
        let mut sections: Vec<(&Section, usize)> =
            of_main.chain(&server.sections).map(|section| (section, 0)).collect();
        sections.extend(htaccess.iter().map(|section| (section, 1)));
        sections.sort_by_key(|(section, after)| {
            let (stage, depth) = section.rank();
            (stage, depth + after)
        });
        let mut ways = vec![base];
        let mut chains = BTreeSet::new();
        for (section, _) in &sections {
            let held = section.holds(&located.file, &located.url);
            if held == Held::No {
                continue;
            }
            traced.sections.insert(section.place.clone());
            let with = |way: &Settings, section: &Section| section.settings.clone().over(way);
            if held == Held::Yes {
                ways = ways.iter().map(|way| with(way, section)).collect();
                continue;
            }
            traced.not_told.push((section.place.clone(), format!("{WHETHER}{} is not told", located.url)));
            let chain: Vec<&Section> = match section.branch {
                Some(branch) if !chains.insert(branch.chain) => continue,
                Some(branch) => {
                    let all = sections.iter().map(|(section, _)| *section);
                    let is_of =
                        |other: &&Section| other.branch.is_some_and(|other| other.chain == branch.chain);
                    all.filter(is_of)
                        .filter(|other| other.holds(&located.file, &located.url) != Held::No)
                        .collect()
                }
                None => vec![section],
            };
            let is_one_taken =
                chain.iter().any(|section| section.branch.is_some_and(|branch| branch.is_else));
            let mut all = if is_one_taken { Vec::new() } else { ways.clone() };
            all.extend(ways.iter().flat_map(|way| chain.iter().map(|section| with(way, section))));
            all.dedup();
            if all.len() > WAYS {
                traced.not_told.push((section.place.clone(), "too much depends on the request".to_owned()));
                break;
            }
            ways = all;
        }
        ways
    }

    /// The `.htaccess` files on the way to a file.
    fn htaccess(&self, located: &Located, base: &Settings) -> Vec<Section> {
        let mut found = Vec::new();
        let folders: Vec<&Path> = located.file.ancestors().skip(1).collect();
        for folder in folders.into_iter().rev() {
            let overrides = self.overrides(folder, base);
            if !overrides.any() {
                continue;
            }
            for name in &self.site.access_files {
                let path = folder.join(name);
                if !self.source.exists(&path) || self.source.is_folder(&path) {
                    continue;
                }
                let here = Where::folder(folder);
                let sections = read_htaccess(&path, self.known, self.source).and_then(|directives| {
                    let tree = read::Tree { known: self.known.clone(), ..read::Tree::default() };
                    Walk::of_htaccess(&tree, self.site).htaccess(&directives, here.clone(), overrides)
                });
                found.extend(sections.unwrap_or_else(|problem| {
                    let refused = Some(Set { value: problem.what, place: problem.place.clone() });
                    let settings = Settings { refused, ..Settings::default() };
                    vec![Section { conditions: vec![here], settings, place: problem.place, branch: None }]
                }));
                break;
            }
        }
        found
    }

    /// `AllowOverride` for a folder.
    fn overrides(&self, folder: &Path, base: &Settings) -> Overrides {
        let servers = [0, self.index];
        let indices = if self.index == 0 { &servers[..1] } else { &servers[..] };
        let all = indices.iter().flat_map(|index| &self.site.servers[*index].sections);
        let mut sections: Vec<&Section> = all.filter(|section| section.is_plain_folder()).collect();
        sections.sort_by_key(|section| section.rank());
        let is_for = |section: &&Section| section.holds(&folder.join("x"), "/") == Held::Yes;
        let set =
            sections.into_iter().filter(is_for).filter_map(|section| section.settings.overrides).next_back();
        set.or(base.overrides).unwrap_or_default()
    }

    fn end(&self, located: &Located, way: &Settings, redirects: usize, traced: &mut Traced) -> End {
        let mut way = way.clone();
        for (name, value) in &located.variables {
            way.variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let taker = located.place.clone();
        let refused = |status, rule, place: &ConfigPlace, text: String| End::Refused {
            refusal: Refusal { status, rule, place: place.clone(), text },
            taker: taker.clone(),
        };
        if let Some(set) = &way.refused {
            let text = format!("Apache answers with 500: {}", set.value);
            return refused(500, "apache-htaccess-refused", &set.place, text);
        }
        let denies =
            [&way.access, &way.old_access].into_iter().flatten().find(|access| access.allows == Allows::None);
        if let Some(access) = denies {
            let text = format!("nobody may ask for {}: Apache answers with 403", located.url);
            return refused(403, "apache-access-denied", &access.place, text);
        }
        for redirect in &way.redirects {
            match redirect.fit(&located.url) {
                Fit::No => {}
                Fit::Perhaps => traced.not_told.push(redirect.not_told(&located.url)),
                Fit::Yes { .. } => return End::Elsewhere(Some(redirect.place.clone())),
            }
        }
        let rewritten = match self.rewritten(located, &way) {
            Rewritten::Goes { url, .. } if url != located.url && redirects < REDIRECTS => {
                let redirected = self.follow(&url, redirects + 1);
                traced.sections.extend(redirected.sections);
                traced.not_told.extend(redirected.not_told);
                return redirected.ends.into_iter().next().unwrap_or(End::Elsewhere(taker));
            }
            Rewritten::Goes { handler, variables, .. } => {
                for (name, value) in variables {
                    way.variables.insert(name, value);
                }
                handler
            }
            Rewritten::Answer(_) | Rewritten::Proxy => return End::Elsewhere(None),
            Rewritten::NotTold(place) => {
                let what = format!("what this rule makes of requests to {} is not told", located.url);
                traced.not_told.push((place, what));
                None
            }
        };
        let (handler, place) = handler(located, &way, rewritten);
        let Some(handler) = handler else { return End::Elsewhere(taker) };
        let place = taker.clone().filter(|_| located.is_script_alias()).or(place).or_else(|| taker.clone());
        if let Some(named) = way.handlers.get(&handler).cloned() {
            way.process = named.process.or(way.process);
            way.application = named.application.or(way.application);
            way.callable = Some(Set { value: "handle_request".to_owned(), place: named.place.clone() });
            let mut script = PathBuf::from(named.script);
            match super::express::application(&script, self.source) {
                None => {}
                Some(Ok((file, callable))) => {
                    way.callable = Some(Set { value: callable, place: named.place.clone() });
                    script = file;
                }
                Some(Err(what)) => traced.not_told.push((named.place.clone(), what)),
            }
            return End::Served(Box::new(self.served(located, &way, script, named.place, traced)));
        }
        if handler != WSGI_SCRIPT && handler != "application/x-httpd-wsgi" {
            return End::Elsewhere(taker);
        }
        let Some(place) = place else { return End::Elsewhere(taker) };
        match located.kind {
            Kind::Missing if located.is_script_alias() => {
                let file = located.file.display();
                let text = format!("requests to {} get 404: there is no {file} (WSGI0135)", located.url);
                return refused(404, "apache-alias-broken", &place, text);
            }
            Kind::Missing | Kind::Folder => return End::Elsewhere(taker),
            Kind::File => {}
        }
        if !located.is_script_alias() && way.runs_scripts != Some(true) {
            let text = format!(
                "requests to {} get 403: Options ExecCGI is off for {} (WSGI0134)",
                located.url,
                located.file.display()
            );
            return refused(403, "apache-access-denied", &place, text);
        }
        if way.takes_path_info == Some(false) && !located.path_info.is_empty() {
            let text = format!("requests to {} get 404: AcceptPathInfo is Off (WSGI0137)", located.url);
            return refused(404, "apache-alias-broken", &place, text);
        }
        if let Some((_, options)) = located.forced.as_ref().filter(|_| located.is_script_alias()) {
            way = options.clone().over(&way);
        }
        End::Served(Box::new(self.served(located, &way, located.file.clone(), place, traced)))
    }

    /// What mod_rewrite does in sections.
    fn rewritten(&self, located: &Located, way: &Settings) -> Rewritten {
        let goes = || Rewritten::Goes { url: located.url.clone(), handler: None, variables: Vec::new() };
        let Some(rewriting) = &way.rewriting else { return goes() };
        let folder = located.file.parent().unwrap_or(Path::new("/"));
        let name = located.file.strip_prefix(folder).unwrap_or(&located.file);
        let subject = format!("{}{}", name.display(), located.path_info);
        let place = Place { root: None, file: &located.file, is_section: true };
        rewriting.apply(&located.url, &subject, place, self.source)
    }

    fn served(
        &self,
        located: &Located,
        way: &Settings,
        script: PathBuf,
        place: ConfigPlace,
        traced: &mut Traced,
    ) -> Served {
        let mut way = way.clone();
        if let Some(set) = way.dispatch.clone() {
            match dispatch::read(Path::new(&set.value), self.source) {
                Ok(said) => said.put_into(&mut way, &set.place),
                Err(what) => traced.not_told.push((set.place, what)),
            }
        }
        let (main, server) = (&self.site.servers[0], &self.site.servers[self.index]);
        let mut script_name = located.script_name();
        if self.site.ignores_case {
            script_name = script_name.to_ascii_lowercase();
        }
        let asked = Asked { server, main, script_name: &script_name, settings: &way };
        let value = |set: &Option<Set<String>>| set.as_ref().map(|set| set.value.clone());
        let (process, application) = (value(&way.process), value(&way.application));
        let named = application.as_deref().is_none_or(|name| name == "%{RESOURCE}");
        let served = Served {
            script,
            process: asked.process(process.as_deref()),
            application: asked.application(application.as_deref()),
            callable: asked.callable(value(&way.callable).as_deref()),
            is_by_url: named || process.as_deref() == Some("%{RESOURCE}"),
            script_name: script_name.clone(),
            limited: limited(&way),
            reloads: way.reloading.as_ref().is_none_or(|set| set.value),
            place,
            refusal: None,
        };
        for name in [&served.process, &served.application, &served.callable] {
            let what = name.not_told.iter().map(|what| (served.place.clone(), what.clone()));
            traced.not_told.extend(what);
        }
        let refusal = self.refusal(&served, &way);
        Served { refusal, ..served }
    }

    /// What mod_wsgi answers with 500 for.
    fn refusal(&self, served: &Served, way: &Settings) -> Option<Refusal> {
        if served.process.not_told.is_some() {
            return None;
        }
        let process = served.process.usual.as_str();
        let refuse = |rule, place: &ConfigPlace, text: String| {
            Some(Refusal { status: 500, rule, place: place.clone(), text })
        };
        let named = if process.is_empty() { "%{GLOBAL}" } else { process };
        let is_allowed =
            |allowed: &Set<Vec<String>>| allowed.value.iter().any(|name| name.eq_ignore_ascii_case(process));
        if let Some(allowed) = way.allowed.as_ref().filter(|allowed| !is_allowed(allowed)) {
            let text = format!(
                "WSGIRestrictProcess ({}) does not allow {named}: requests get 500 (WSGI0149)",
                allowed.place
            );
            return refuse("apache-process-not-allowed", &served.place, text);
        }
        if process.is_empty() {
            let restricted = self.site.restrict_embedded.as_ref().filter(|set| set.value)?;
            let text = format!(
                "it would run in Apache's own processes, which WSGIRestrictEmbedded On ({}) forbids: requests get \
                 500 (WSGI0143)",
                restricted.place
            );
            return refuse("apache-embedded-not-allowed", &served.place, text);
        }
        let Some(daemon) = self.site.daemons.get(process) else {
            let text = format!("there is no WSGIDaemonProcess {process}: its requests fail (WSGI0151)");
            return refuse("apache-no-process-group", &served.place, text);
        };
        let main = &self.site.servers[0];
        let host = |index: usize| self.site.servers[index].host(main);
        let is_mine =
            daemon.server == 0 || daemon.server == self.index || host(daemon.server) == host(self.index);
        if is_mine {
            return None;
        }
        let text = format!(
            "WSGIDaemonProcess {process} ({}) is of the virtual host {}: requests get 500 (WSGI0152)",
            daemon.place,
            host(daemon.server)
        );
        refuse("apache-process-of-other-host", &served.place, text)
    }
}

/// How a line says that a section may be for a request.
const WHETHER: &str = "whether this section is for requests to ";

impl Located {
    fn is_script_alias(&self) -> bool {
        self.forced.as_ref().is_some_and(|(handler, _)| *handler == WSGI_SCRIPT) && self.place.is_some()
    }
}

/// The handler, and the line that sets it where that is no mapping.
fn handler(
    located: &Located,
    way: &Settings,
    rewritten: Option<String>,
) -> (Option<String>, Option<ConfigPlace>) {
    let mut handler = located.forced.as_ref().map(|(handler, _)| (*handler).to_owned());
    let mut place = None;
    let name = located.file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    // mod_mime: each extension may name one, the last counts.
    for extension in name.split('.').skip(1) {
        if let Some(set) = way.by_extension.get(extension).filter(|set| !set.value.is_empty()) {
            (handler, place) = (Some(set.value.clone()), Some(set.place.clone()));
        }
    }
    if let Some(set) = way.handler.as_ref().filter(|set| !set.value.eq_ignore_ascii_case("none")) {
        (handler, place) = (Some(set.value.clone()), Some(set.place.clone()));
    }
    (rewritten.or(handler), place)
}

/// The line that lets only some clients ask.
fn limited(way: &Settings) -> Option<ConfigPlace> {
    let all = [&way.access, &way.old_access].into_iter().flatten();
    all.filter(|access| access.allows == Allows::Some).map(|access| access.place.clone()).next()
}

impl Section {
    fn is_plain_folder(&self) -> bool {
        self.conditions.iter().all(|each| each.stage == Stage::Directory && each.expression.is_none())
    }
}
