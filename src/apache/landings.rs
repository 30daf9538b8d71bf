//! Where requests land. A configuration is asked with samples of URLs: of each line that serves something, and of each section
//! that may change where it lands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::check::Build;
use super::expression::groups_in;
use super::mappings::{Mapping, Pattern, SAMPLE, Takes, as_url, below};
use super::read::Known;
use super::request::{End, Refusal, Requests, Served, Traced};
use super::sections::{Stage, is_under};
use super::site::{Server, Site};
use super::source::Source;
use crate::model::{ConfigPlace, Landing, Mode};

/// What requests come to, and what could not be told of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    pub(super) all: Vec<Placement>,
    pub(super) not_told: Vec<(ConfigPlace, String)>,
    /// Lines that no request comes to, with why.
    pub(super) shadowed: Vec<(ConfigPlace, String)>,
    /// What Apache refuses before mod_wsgi is asked.
    pub(super) refused: Vec<Refusal>,
    /// Sections that are for a request.
    pub(super) sections: BTreeSet<ConfigPlace>,
}

/// Requests below a URL.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    pub(super) host: String,
    pub(super) url: String,
    pub(super) served: Served,
    /// How many application groups it has: one for each URL.
    pub(super) is_one_for_each_url: bool,
    /// URLs below that something else answers.
    pub(super) except: Vec<String>,
}

/// Files of a folder that are looked at.
const FILES: usize = 1000;
/// How deep.
const DEPTH: usize = 5;

impl Site {
    /// Asks each server that is reached.
    pub(super) fn place(&self, known: &Known, source: &dyn Source) -> Placed {
        let mut placed = Placed::default();
        for (index, server) in self.servers.iter().enumerate() {
            if index == 0 && !self.is_main_reached() {
                continue;
            }
            if let (Some(why), Some(place)) = (self.unreached(index), &server.place) {
                placed.shadowed.push((place.clone(), why));
                continue;
            }
            let requests = Requests { site: self, index, known, source };
            Asking { requests, placed: &mut placed }.server();
        }
        // One that some server serves is of use.
        let Placed { all, shadowed, refused, .. } = &mut placed;
        let is_of_use = |place: &ConfigPlace| {
            all.iter().any(|each| each.served.place == *place)
                || refused.iter().any(|each| each.place == *place)
        };
        shadowed.retain(|(place, _)| !is_of_use(place));
        placed.not_told.sort();
        placed.not_told.dedup();
        placed.shadowed.sort();
        placed.shadowed.dedup();
        placed
    }

    /// Whether any address is left to the main server by the virtual hosts.
    fn is_main_reached(&self) -> bool {
        let hosts = self.servers.get(1..).unwrap_or_default();
        let ports: &[u16] = if self.ports.is_empty() { &[80] } else { &self.ports };
        let is_taken = |port: u16| {
            let mut addresses = hosts.iter().flat_map(|host| &host.addresses);
            addresses.any(|address| match address.rsplit_once(':') {
                Some(("*" | "_default_", wanted)) => wanted == "*" || wanted == port.to_string(),
                Some(_) => false,
                None => address == "*" || address == "_default_",
            })
        };
        !ports.iter().all(|port| is_taken(*port))
    }

    /// Why no request comes to a virtual host.
    fn unreached(&self, index: usize) -> Option<String> {
        let (main, server) = (&self.servers[0], self.servers.get(index).filter(|_| index > 0)?);
        let port = |address: &String| address.rsplit_once(':').map(|(_, port)| port.to_owned());
        let is_heard = |address: &String| {
            let port = port(address).and_then(|port| port.parse().ok());
            port.is_none_or(|port: u16| self.ports.is_empty() || self.ports.contains(&port))
        };
        if !server.addresses.iter().any(is_heard) {
            let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
            return Some(format!("no request comes to it: Listen names port {} only", ports.join(", ")));
        }
        let name = server.host(main);
        let answers = |other: &&Server| {
            let is_same = other.addresses == server.addresses;
            let names =
                std::iter::once(other.host(main)).chain(other.aliases_of_host.iter().map(String::as_str));
            is_same && names.into_iter().any(|other| other.eq_ignore_ascii_case(name))
        };
        let earlier = self.servers.get(1..index)?.iter().find(answers)?;
        let others = server.aliases_of_host.is_empty();
        let place = earlier.place.as_ref().filter(|_| others)?;
        Some(format!(
            "no request comes to it: the virtual host {place} has the same address and name, and is first"
        ))
    }
}

/// Asks one server.
struct Asking<'a, 'p> {
    requests: Requests<'a>,
    placed: &'p mut Placed,
}

impl Asking<'_, '_> {
    fn site(&self) -> &Site {
        self.requests.site
    }

    fn of_both(&self, of: fn(&Server) -> &Vec<Mapping>) -> Vec<Mapping> {
        let servers = &self.site().servers;
        let base: &[Mapping] = if self.requests.index == 0 { &[] } else { of(&servers[0]) };
        of(&servers[self.requests.index]).iter().chain(base).cloned().collect()
    }

    fn server(&mut self) {
        for mapping in self.of_both(|server| &server.scripts) {
            self.script(&mapping);
        }
        self.by_handler();
    }

    /// Follows a request; what could not be told of it is kept.
    fn ask(&mut self, url: &str) -> Traced {
        let traced = self.requests.get(url);
        self.placed.sections.extend(traced.sections.iter().cloned());
        traced
    }

    /// A `WSGIScriptAlias`, and what sections below its URL make of it.
    fn script(&mut self, mapping: &Mapping) {
        let Takes::Script { target, .. } = &mapping.takes else { return };
        let mut asked = self.urls_of_script(mapping, target);
        let own = asked.len();
        asked.extend(self.others_below(mapping));
        let (mut seen, mut taker, mut is_taken): (Vec<(String, Served)>, Option<String>, bool) =
            (Vec::new(), None, false);
        let mut except = Vec::new();
        for (number, (label, url)) in asked.iter().enumerate() {
            let traced = self.ask(url);
            let is_its_own = number < own;
            let end = traced.ends.first().cloned();
            if end.is_none() || matches!(&end, Some(End::Served(served)) if served.place == mapping.place) {
                self.placed.not_told.extend(traced.not_told);
            }
            match end {
                Some(End::Served(served)) if served.place == mapping.place => {
                    is_taken = true;
                    // That of the nearest prefix is not said again.
                    let around = seen.iter().filter(|(other, _)| other == label || is_under(label, other));
                    let around = around.max_by_key(|(other, _)| other.len());
                    if !around.is_some_and(|(_, other)| is_same_landing(other, &served)) {
                        self.add(label, &served, mapping);
                        seen.push((label.clone(), *served));
                    }
                }
                Some(End::Refused { refusal, taker }) if taker.as_ref() == Some(&mapping.place) => {
                    is_taken = true;
                    match is_its_own {
                        true => self.refuse(with_slash(refusal, mapping, target)),
                        // A section may well keep everybody out of a part.
                        false if refusal.rule == "apache-access-denied" => except.push(label.clone()),
                        false => self.refuse(refusal),
                    }
                }
                Some(_) if !is_its_own => except.push(label.clone()),
                Some(End::Served(other)) => {
                    taker.get_or_insert(other.place.to_string());
                }
                Some(End::Elsewhere(other) | End::Refused { taker: other, .. }) => {
                    let named = other.map_or_else(|| "something else".to_owned(), |place| place.to_string());
                    taker.get_or_insert(named);
                }
                None => is_taken = true,
            }
        }
        self.put_except(&mapping.place, &except);
        match taker {
            Some(taker) if !is_taken => {
                let text = format!("{taker} takes all of its requests: the first that fits is taken");
                self.placed.shadowed.push((mapping.place.clone(), text));
            }
            None if asked.is_empty() && !mapping.is_match() && !mapping.text().starts_with('/') => {
                let text = format!("no URL begins with {}: write it with a slash", mapping.text());
                self.placed.shadowed.push((mapping.place.clone(), text));
            }
            None if asked.is_empty() && mapping.is_match() => {
                let what = format!("which URLs {} is for is not told", mapping.text());
                self.placed.not_told.push((mapping.place.clone(), what));
            }
            Some(_) | None => {}
        }
    }

    /// Notes what something else answers below what a line serves.
    fn put_except(&mut self, place: &ConfigPlace, except: &[String]) {
        for placement in self.placed.all.iter_mut().filter(|placement| placement.served.place == *place) {
            let is_below = |url: &&String| {
                !url.starts_with('/') || (is_under(url, &placement.url) && **url != placement.url)
            };
            placement.except.extend(except.iter().filter(is_below).cloned());
            placement.except.sort();
            placement.except.dedup();
        }
    }

    /// Keeps the first of what one line refuses.
    fn refuse(&mut self, refusal: Refusal) {
        let is_known = |other: &Refusal| other.rule == refusal.rule && other.place == refusal.place;
        if !self.placed.refused.iter().any(is_known) {
            self.placed.refused.push(refusal);
        }
    }

    /// URLs that an alias is for, with the text they are named by.
    fn urls_of_script(&self, mapping: &Mapping, target: &str) -> Vec<(String, String)> {
        let folder = Path::new(target);
        if self.requests.source.is_folder(folder) && !mapping.is_match() {
            let files = self.files(folder);
            let urls = files.iter().filter_map(|file| file.strip_prefix(target).ok());
            let urls = urls.map(|name| below(mapping.text(), &name.to_string_lossy()));
            return urls.map(|url| (url.clone(), url)).collect();
        }
        let Pattern::Match(expression) = &mapping.pattern else {
            return mapping.samples().into_iter().map(|sample| (mapping.text().to_owned(), sample)).collect();
        };
        if !target.contains('$') {
            return mapping.samples().into_iter().map(|sample| (mapping.text().to_owned(), sample)).collect();
        }
        // What matches names the script: the files that there are name what matches.
        let fixed = target.split('$').next().unwrap_or_default();
        let folder = fixed.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let files = self.files(Path::new(folder));
        let groups = files.iter().filter_map(|file| groups_in(target, &file.to_string_lossy()));
        let urls = groups.flat_map(|groups| expression.samples_with(&groups));
        urls.map(|url| as_url(&url)).map(|url| (url.clone(), url)).collect()
    }

    /// URLs below an alias that something else may be said of: of `<Location>` sections, `Alias` and the like; with the text they
    /// are named by.
    fn others_below(&self, mapping: &Mapping) -> Vec<(String, String)> {
        let servers = &self.site().servers;
        let indices = BTreeSet::from([0, self.requests.index]);
        let sections = indices.into_iter().flat_map(|index| &servers[index].sections);
        let conditions = sections.flat_map(|section| &section.conditions);
        let mut found: Vec<(String, String)> = Vec::new();
        for condition in conditions.filter(|condition| condition.stage == Stage::Location) {
            for sample in condition.samples() {
                let label = condition.label(&sample);
                found.push((label.clone(), sample.clone()));
                found.push((label, format!("{}{sample}", mapping.text().trim_end_matches('/'))));
            }
        }
        let lists: [fn(&Server) -> &Vec<Mapping>; 3] =
            [|server| &server.aliases, |server| &server.redirects, |server| &server.proxies];
        for of in lists {
            for other in self.of_both(of) {
                let samples = other.samples();
                let label = other.text().to_owned();
                found.extend(samples.iter().map(|sample| (label.clone(), sample.clone())));
            }
        }
        for pattern in servers[self.requests.index].rewriting.patterns() {
            let samples = pattern.samples();
            found.extend(samples.iter().map(|sample| (pattern.text.clone(), as_url(sample))));
        }
        let is_other = |(label, url): &(String, String)| {
            let same = |text: &str| text.trim_end_matches('/') == mapping.text().trim_end_matches('/');
            let is_expression = !label.starts_with('/');
            (is_expression || (!same(label) && !same(url)))
                && (mapping.is_match() || is_under(url, mapping.text()))
        };
        found.retain(is_other);
        found.sort();
        found.dedup();
        found
    }

    fn add(&mut self, label: &str, served: &Served, mapping: &Mapping) {
        // With an expression the script's name is what it matches.
        let is_open = mapping.is_match()
            && served.is_by_url
            && !served.script_name.is_empty()
            && !mapping.samples().is_empty()
            && label == mapping.text()
            && mapping.text().contains(['*', '+', '[', '\\', '.', '?', '{']);
        self.push(label, served, is_open);
    }

    fn push(&mut self, label: &str, served: &Served, is_one_for_each_url: bool) {
        let servers = &self.site().servers;
        let server = &servers[self.requests.index];
        let host = if server.addresses.is_empty() { String::new() } else { server.label(&servers[0]) };
        let (url, served, except) = (label.to_owned(), served.clone(), Vec::new());
        let placement = Placement { host, url, served, is_one_for_each_url, except };
        self.placed.all.push(placement);
    }

    /// What is served by `SetHandler`, `AddHandler` and `WSGIHandlerScript`.
    fn by_handler(&mut self) {
        if !self.has_handlers() {
            return;
        }
        let mut asked: Vec<(String, String)> = Vec::new();
        for mapping in self.of_both(|server| &server.aliases) {
            let Takes::Files(target) = &mapping.takes else { continue };
            match mapping.is_match() {
                true => asked.extend(self.urls_of_script(&mapping, target)),
                false => asked.extend(self.urls_of(mapping.text(), Path::new(target))),
            }
        }
        let servers = &self.site().servers;
        let root = servers[self.requests.index].root.clone().or_else(|| servers[0].root.clone());
        self.files_not_here(root.as_deref());
        let servers = &self.site().servers;
        if let Some(root) = root {
            asked.extend(self.urls_of("/", &root));
            asked.push(("/".to_owned(), below("/", SAMPLE)));
        }
        let indices = BTreeSet::from([0, self.requests.index]);
        let sections = indices.into_iter().flat_map(|index| &servers[index].sections);
        let locations = sections.flat_map(|section| &section.conditions);
        let locations = locations.filter(|condition| condition.stage == Stage::Location);
        let locations = locations.flat_map(super::sections::Where::samples);
        asked.extend(locations.map(|url| (url.clone(), url)));
        let of_scripts: BTreeSet<ConfigPlace> =
            self.of_both(|server| &server.scripts).into_iter().map(|mapping| mapping.place).collect();
        let (mut seen, mut except): (Vec<(String, Served)>, Vec<String>) = (Vec::new(), Vec::new());
        for (label, url) in asked {
            let traced = self.ask(&url);
            match traced.ends.first() {
                Some(End::Served(served)) if !of_scripts.contains(&served.place) => {
                    let is_known = |(other, known): &(String, Served)| {
                        is_under(&label, other) && is_same_landing(known, served)
                    };
                    if !seen.iter().any(is_known) {
                        self.push(&label, served, false);
                        seen.push((label, Served::clone(served)));
                    }
                    self.placed.not_told.extend(traced.not_told);
                }
                Some(End::Refused { refusal, taker })
                    if taker.as_ref().is_none_or(|taker| !of_scripts.contains(taker)) =>
                {
                    if refusal.text.contains("WSGI0134") {
                        self.refuse(refusal.clone());
                    }
                }
                Some(End::Elsewhere(_)) => except.push(label),
                Some(End::Served(_) | End::Refused { .. }) => {}
                None => self.placed.not_told.extend(traced.not_told),
            }
        }
        for place in seen.into_iter().map(|(_, served)| served.place).collect::<BTreeSet<_>>() {
            self.put_except(&place, &except);
        }
    }

    /// Scripts by a handler are those that lie in folders; not told where the folder is none here.
    fn files_not_here(&mut self, root: Option<&Path>) {
        let source = self.requests.source;
        let is_here = root.is_some_and(|root| source.is_folder(root));
        if is_here || !self.of_both(|server| &server.aliases).is_empty() {
            return;
        }
        let servers = &self.site().servers;
        let indices = BTreeSet::from([0, self.requests.index]);
        let all = indices.into_iter().flat_map(|index| {
            let sections = servers[index].sections.iter().map(|section| &section.settings);
            sections.chain([&servers[index].settings])
        });
        let set = all.flat_map(|settings| settings.handler.iter().chain(settings.by_extension.values()));
        let found: Vec<(ConfigPlace, String)> = set
            .filter(|set| is_of_mod_wsgi(&set.value))
            .map(|set| {
                let what = format!(
                    "{} by handler: which scripts it serves is not told (name them with --app)",
                    set.value
                );
                (set.place.clone(), what)
            })
            .collect();
        self.placed.not_told.extend(found);
    }

    /// Whether any line names a handler of mod_wsgi.
    fn has_handlers(&self) -> bool {
        let servers = &self.site().servers;
        let indices = BTreeSet::from([0, self.requests.index]);
        indices.into_iter().any(|index| {
            let server = &servers[index];
            let sections = server.sections.iter().map(|section| &section.settings);
            let mut all = sections.chain([&server.settings]);
            all.any(|settings| {
                let set = settings.handler.iter().chain(settings.by_extension.values());
                set.into_iter().any(|set| is_of_mod_wsgi(&set.value))
                    || !settings.handlers.is_empty()
                    || settings.overrides.is_some_and(super::settings::Overrides::any)
            })
        })
    }

    /// URLs of a folder's files, or of a file.
    fn urls_of(&self, prefix: &str, target: &Path) -> Vec<(String, String)> {
        if !self.requests.source.is_folder(target) {
            return vec![(prefix.to_owned(), prefix.to_owned())];
        }
        let files = self.files(target);
        let names = files.iter().filter_map(|file| file.strip_prefix(target).ok());
        let urls = names.map(|name| below(prefix, &name.to_string_lossy()));
        urls.map(|url| (url.clone(), url)).collect()
    }

    /// Files below a folder that could be scripts, in order.
    fn files(&self, folder: &Path) -> Vec<PathBuf> {
        let source = self.requests.source;
        let (mut found, mut left) = (Vec::new(), vec![(folder.to_owned(), 0)]);
        while let Some((path, depth)) = left.pop() {
            if found.len() >= FILES || depth > DEPTH {
                break;
            }
            let mut names = source.list(&path).unwrap_or_default();
            names.retain(|name| !name.starts_with('.') && name != "__pycache__");
            names.sort();
            for name in names {
                let path = path.join(name);
                match source.is_folder(&path) {
                    true => left.push((path, depth + 1)),
                    false => found.push(path),
                }
            }
        }
        found.sort();
        found
    }
}

/// A handler's name.
fn is_of_mod_wsgi(name: &str) -> bool {
    matches!(name, "wsgi-script" | "application/x-httpd-wsgi")
}

/// Says what is wrong where a slash is missing between URL and script.
fn with_slash(refusal: Refusal, mapping: &Mapping, target: &str) -> Refusal {
    let url = mapping.text();
    if refusal.status != 404 || !url.ends_with('/') || url == "/" || target.ends_with('/') {
        return refusal;
    }
    let plain = url.trim_end_matches('/');
    let text = format!(
        "requests below {url} get 404: the URL ends with a slash and the script does not (write WSGIScriptAlias {plain} {target})"
    );
    Refusal { text, ..refusal }
}

/// Whether two requests are served alike.
fn is_same_landing(one: &Served, other: &Served) -> bool {
    one.limited == other.limited
        && one.script == other.script
        && one.process == other.process
        && one.application == other.application
        && one.callable == other.callable
        && one.refusal == other.refusal
}

impl Placement {
    /// As a report has it, for a build of Python.
    pub(super) fn landing(&self, site: &Site, build: &Build) -> Landing {
        let Served { script, process, application, callable, refusal, place, .. } = &self.served;
        let application_group = match self.is_one_for_each_url {
            true => "%{RESOURCE}".to_owned(),
            false => application.usual.clone(),
        };
        let mode = site.mode(&process.usual, &application_group, build);
        Landing {
            host: self.host.clone(),
            url: self.url.clone(),
            script: script.clone(),
            callable: callable.usual.clone(),
            process_group: process.usual.clone(),
            application_group,
            other_groups: application.others.clone(),
            except: self.except.clone(),
            limited: self.served.limited.clone(),
            mode,
            status: refusal.as_ref().map(|refusal| refusal.status),
            application: None,
            place: place.clone(),
        }
    }
}

impl Site {
    /// The kind of interpreter that a group gets.
    pub(super) fn mode(&self, process: &str, application: &str, build: &Build) -> Mode {
        let is_free = self.free_threading(process).is_some_and(|set| set.value);
        let is_own = self.resolved(process, application).own_gil.is_some_and(|set| set.value);
        match (application.is_empty(), is_free && build.is_free_threaded) {
            (true, true) => Mode::FreeThreaded,
            (true, false) => Mode::Main,
            (false, true) => Mode::FreeThreadedGroup,
            // On a build with a GIL `WSGIFreeThreading On` does nothing but switch this off.
            (false, false) if is_own && !is_free && build.has_own_gil => Mode::OwnGil,
            (false, false) => Mode::SharedGil,
        }
    }
}
