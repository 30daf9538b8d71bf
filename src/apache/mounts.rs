//! Finds where Apache mounts each script. The configuration is probed with sample URLs: for each directive
//! that serves something, and for each section that may change what serves it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::configuration_source::{ConfigurationError, ConfigurationSource};
use super::mount_table::{MountPoint, MountTable};
use super::reader::{ConfigurationTree, ReaderState};
use super::regular_expression::extract_groups;
use super::request_trace::{RequestEnd, RequestTrace, RequestTracer};
use super::sections::{MergeStage, is_url_below};
use super::served_request::{RefusalCause, RequestRefusal, ServedRequest};
use super::site::{ApacheSite, Server};
use super::site_builder::SiteBuilder;
use super::url_mappings::{MappingAction, SAMPLE_NAME, UrlMapping, UrlPattern, join_url, with_leading_slash};
use crate::model::ConfigLocation;

/// Largest number of files listed below a directory.
const MAX_FILES: usize = 1000;
/// Largest depth of that listing.
const MAX_DEPTH: usize = 5;

/// Builds the site from the directives and finds its mounts.
///
/// # Errors
/// Apache would not start.
pub fn build_site(
    tree: &ConfigurationTree,
    source: &dyn ConfigurationSource,
) -> Result<ApacheSite, ConfigurationError> {
    let mut site = SiteBuilder::new(tree, source).build_site()?;
    site.placed = site.find_mounts(&tree.known, source);
    Ok(site)
}

impl ApacheSite {
    /// Probes each server that requests can reach.
    fn find_mounts(&self, known: &ReaderState, source: &dyn ConfigurationSource) -> MountTable {
        let mut placed = MountTable::default();
        for (index, server) in self.servers.iter().enumerate() {
            if index == 0 && !self.is_main_server_reachable() {
                continue;
            }
            if let (Some(why), Some(place)) = (self.explain_unreachable_host(index), &server.place) {
                placed.shadowed.push((place.clone(), why));
                continue;
            }
            let requests = RequestTracer { site: self, index, known, source };
            MountFinder { requests, placed: &mut placed }.find_server_mounts();
        }
        // A directive is in use if any server serves requests through it.
        let MountTable { all, shadowed, refused, .. } = &mut placed;
        let is_of_use = |place: &ConfigLocation| {
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

    /// Whether the virtual hosts leave any address to the main server.
    fn is_main_server_reachable(&self) -> bool {
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

    /// Returns why no request reaches a virtual host.
    fn explain_unreachable_host(&self, index: usize) -> Option<String> {
        let (main, server) = (&self.servers[0], self.servers.get(index).filter(|_| index > 0)?);
        let port = |address: &String| address.rsplit_once(':').map(|(_, port)| port.to_owned());
        let is_heard = |address: &String| {
            let port = port(address).and_then(|port| port.parse().ok());
            port.is_none_or(|port: u16| self.ports.is_empty() || self.ports.contains(&port))
        };
        if !server.addresses.iter().any(is_heard) {
            let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
            return Some(format!("no request reaches it: Listen names only port {}", ports.join(", ")));
        }
        let name = server.host_name(main);
        let answers = |other: &&Server| {
            let is_same = other.addresses == server.addresses;
            let names = std::iter::once(other.host_name(main))
                .chain(other.aliases_of_host.iter().map(String::as_str));
            is_same && names.into_iter().any(|other| other.eq_ignore_ascii_case(name))
        };
        let earlier = self.servers.get(1..index)?.iter().find(answers)?;
        let others = server.aliases_of_host.is_empty();
        let place = earlier.place.as_ref().filter(|_| others)?;
        Some(format!(
            "no request reaches it: the virtual host {place} has the same address and name, and comes first"
        ))
    }
}

/// Finds the mounts of one server.
struct MountFinder<'a, 'p> {
    requests: RequestTracer<'a>,
    placed: &'p mut MountTable,
}

impl MountFinder<'_, '_> {
    fn site(&self) -> &ApacheSite {
        self.requests.site
    }

    fn inherited_mappings(&self, field: fn(&Server) -> &Vec<UrlMapping>) -> Vec<UrlMapping> {
        let servers = &self.site().servers;
        let base: &[UrlMapping] = if self.requests.index == 0 { &[] } else { field(&servers[0]) };
        field(&servers[self.requests.index]).iter().chain(base).cloned().collect()
    }

    fn find_server_mounts(&mut self) {
        for mapping in self.inherited_mappings(|server| &server.scripts) {
            self.find_script_mounts(&mapping);
        }
        self.find_handler_mounts();
    }

    /// Traces a request and records the sections that apply to it.
    fn trace_request(&mut self, url: &str) -> RequestTrace {
        let trace = self.requests.trace_get_request(url);
        self.placed.sections.extend(trace.sections.iter().cloned());
        trace
    }

    /// Finds the mounts of a `WSGIScriptAlias`, including the sections below its URL.
    fn find_script_mounts(&mut self, mapping: &UrlMapping) {
        let MappingAction::Script { target, .. } = &mapping.takes else { return };
        let mut samples = self.sample_script_urls(mapping, target);
        let own = samples.len();
        samples.extend(self.sample_urls_below(mapping));
        let (mut seen, mut taker, mut is_taken): (Vec<(String, ServedRequest)>, Option<String>, bool) =
            (Vec::new(), None, false);
        let mut except = Vec::new();
        for (number, (label, url)) in samples.iter().enumerate() {
            let trace = self.trace_request(url);
            let is_its_own = number < own;
            let end = trace.ends.first().cloned();
            if end.is_none()
                || matches!(&end, Some(RequestEnd::Served(served)) if served.place == mapping.place)
            {
                self.placed.not_told.extend(trace.not_told);
            }
            match end {
                Some(RequestEnd::Served(served)) if served.place == mapping.place => {
                    is_taken = true;
                    // Skip a mount that equals the one at the nearest enclosing prefix.
                    let around =
                        seen.iter().filter(|(other, _)| other == label || is_url_below(label, other));
                    let around = around.max_by_key(|(other, _)| other.len());
                    if !around.is_some_and(|(_, other)| is_same_mount(other, &served)) {
                        self.add_script_mount(label, &served, mapping);
                        seen.push((label.clone(), *served));
                    }
                }
                Some(RequestEnd::Refused { refusal, taker }) if taker.as_ref() == Some(&mapping.place) => {
                    is_taken = true;
                    match is_its_own {
                        true => self.add_refusal(explain_missing_slash(refusal, mapping, target)),
                        // Denying access to a part of an application is legitimate.
                        false if refusal.cause.is_access_denial() => except.push(label.clone()),
                        false => self.add_refusal(refusal),
                    }
                }
                Some(_) if !is_its_own => except.push(label.clone()),
                Some(RequestEnd::Served(other)) => {
                    taker.get_or_insert(other.place.to_string());
                }
                Some(RequestEnd::Elsewhere(other) | RequestEnd::Refused { taker: other, .. }) => {
                    let other_taker =
                        other.map_or_else(|| "something else".to_owned(), |place| place.to_string());
                    taker.get_or_insert(other_taker);
                }
                None => is_taken = true,
            }
        }
        self.add_exceptions(&mapping.place, &except);
        match taker {
            Some(taker) if !is_taken => {
                let text = format!("{taker} takes all of its requests: the first match wins");
                self.placed.shadowed.push((mapping.place.clone(), text));
            }
            None if samples.is_empty()
                && !mapping.has_expression()
                && !mapping.pattern_text().starts_with('/') =>
            {
                let text =
                    format!("no URL begins with {}: write it with a leading slash", mapping.pattern_text());
                self.placed.shadowed.push((mapping.place.clone(), text));
            }
            None if samples.is_empty() && mapping.has_expression() => {
                let what = format!("which URLs {} matches could not be determined", mapping.pattern_text());
                self.placed.not_told.push((mapping.place.clone(), what));
            }
            Some(_) | None => {}
        }
    }

    /// Records the URLs below a mount that something else answers.
    fn add_exceptions(&mut self, place: &ConfigLocation, except: &[String]) {
        for mount in self.placed.all.iter_mut().filter(|mount| mount.served.place == *place) {
            let is_below = |url: &&String| {
                !url.starts_with('/') || (is_url_below(url, &mount.url) && **url != mount.url)
            };
            mount.except.extend(except.iter().filter(is_below).cloned());
            mount.except.sort();
            mount.except.dedup();
        }
    }

    /// Records a refusal, once for each rule and line.
    fn add_refusal(&mut self, refusal: RequestRefusal) {
        let is_known = |other: &RequestRefusal| {
            other.cause.rule() == refusal.cause.rule() && other.place == refusal.place
        };
        if !self.placed.refused.iter().any(is_known) {
            self.placed.refused.push(refusal);
        }
    }

    /// Returns sample URLs of an alias as (label, URL).
    fn sample_script_urls(&self, mapping: &UrlMapping, target: &str) -> Vec<(String, String)> {
        let folder = Path::new(target);
        if self.requests.source.is_folder(folder) && !mapping.has_expression() {
            let files = self.list_script_files(folder);
            let urls = files.iter().filter_map(|file| file.strip_prefix(target).ok());
            let urls = urls.map(|name| join_url(mapping.pattern_text(), &name.to_string_lossy()));
            return urls.map(|url| (url.clone(), url)).collect();
        }
        let UrlPattern::Match(expression) = &mapping.pattern else {
            return mapping
                .sample_urls()
                .into_iter()
                .map(|sample| (mapping.pattern_text().to_owned(), sample))
                .collect();
        };
        if !target.contains('$') {
            return mapping
                .sample_urls()
                .into_iter()
                .map(|sample| (mapping.pattern_text().to_owned(), sample))
                .collect();
        }
        // The matched text names the script: derive sample URLs from the files that exist.
        let fixed = target.split('$').next().unwrap_or_default();
        let folder = fixed.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let files = self.list_script_files(Path::new(folder));
        let groups = files.iter().filter_map(|file| extract_groups(target, &file.to_string_lossy()));
        let urls = groups.flat_map(|groups| expression.sample_matches_with(&groups));
        urls.map(|url| with_leading_slash(&url)).map(|url| (url.clone(), url)).collect()
    }

    /// Returns sample URLs below an alias that `<Location>`, `Alias` and the like may treat differently, as
    /// (label, URL).
    fn sample_urls_below(&self, mapping: &UrlMapping) -> Vec<(String, String)> {
        let servers = &self.site().servers;
        let indices = BTreeSet::from([0, self.requests.index]);
        let sections = indices.into_iter().flat_map(|index| &servers[index].sections);
        let conditions = sections.flat_map(|section| &section.conditions);
        let mut found: Vec<(String, String)> = Vec::new();
        for condition in conditions.filter(|condition| condition.stage == MergeStage::Location) {
            for sample in condition.sample_urls() {
                let label = condition.url_label(&sample);
                found.push((label.clone(), sample.clone()));
                found.push((label, format!("{}{sample}", mapping.pattern_text().trim_end_matches('/'))));
            }
        }
        let lists: [fn(&Server) -> &Vec<UrlMapping>; 3] =
            [|server| &server.aliases, |server| &server.redirects, |server| &server.proxies];
        for field in lists {
            for other in self.inherited_mappings(field) {
                let samples = other.sample_urls();
                let label = other.pattern_text().to_owned();
                found.extend(samples.iter().map(|sample| (label.clone(), sample.clone())));
            }
        }
        for pattern in servers[self.requests.index].rewriting.rule_patterns() {
            let samples = pattern.sample_matches();
            found.extend(samples.iter().map(|sample| (pattern.text.clone(), with_leading_slash(sample))));
        }
        let is_other = |(label, url): &(String, String)| {
            let same =
                |text: &str| text.trim_end_matches('/') == mapping.pattern_text().trim_end_matches('/');
            let is_expression = !label.starts_with('/');
            (is_expression || (!same(label) && !same(url)))
                && (mapping.has_expression() || is_url_below(url, mapping.pattern_text()))
        };
        found.retain(is_other);
        found.sort();
        found.dedup();
        found
    }

    fn add_script_mount(&mut self, label: &str, served: &ServedRequest, mapping: &UrlMapping) {
        // The name of the script, and with it the application group, depends on what the expression matches.
        let is_open = mapping.has_expression()
            && served.is_by_url
            && !served.script_name.is_empty()
            && !mapping.sample_urls().is_empty()
            && label == mapping.pattern_text()
            && mapping.pattern_text().contains(['*', '+', '[', '\\', '.', '?', '{']);
        self.add_mount(label, served, is_open);
    }

    fn add_mount(&mut self, label: &str, served: &ServedRequest, is_one_for_each_url: bool) {
        let servers = &self.site().servers;
        let server = &servers[self.requests.index];
        let host = if server.addresses.is_empty() { String::new() } else { server.host_label(&servers[0]) };
        let (url, served, except) = (label.to_owned(), served.clone(), Vec::new());
        let placement = MountPoint { host, url, served, is_one_for_each_url, except };
        self.placed.all.push(placement);
    }

    /// Finds the mounts of `SetHandler`, `AddHandler` and `WSGIHandlerScript`.
    fn find_handler_mounts(&mut self) {
        if !self.has_wsgi_handlers() {
            return;
        }
        let mut samples: Vec<(String, String)> = Vec::new();
        for mapping in self.inherited_mappings(|server| &server.aliases) {
            let MappingAction::Files(target) = &mapping.takes else { continue };
            match mapping.has_expression() {
                true => samples.extend(self.sample_script_urls(&mapping, target)),
                false => samples.extend(self.sample_file_urls(mapping.pattern_text(), Path::new(target))),
            }
        }
        let servers = &self.site().servers;
        let root = servers[self.requests.index].root.clone().or_else(|| servers[0].root.clone());
        self.note_missing_document_root(root.as_deref());
        let servers = &self.site().servers;
        if let Some(root) = root {
            samples.extend(self.sample_file_urls("/", &root));
            samples.push(("/".to_owned(), join_url("/", SAMPLE_NAME)));
        }
        let indices = BTreeSet::from([0, self.requests.index]);
        let sections = indices.into_iter().flat_map(|index| &servers[index].sections);
        let locations = sections.flat_map(|section| &section.conditions);
        let locations = locations.filter(|condition| condition.stage == MergeStage::Location);
        let locations = locations.flat_map(super::sections::SectionCondition::sample_urls);
        samples.extend(locations.map(|url| (url.clone(), url)));
        let of_scripts: BTreeSet<ConfigLocation> = self
            .inherited_mappings(|server| &server.scripts)
            .into_iter()
            .map(|mapping| mapping.place)
            .collect();
        let (mut seen, mut except): (Vec<(String, ServedRequest)>, Vec<String>) = (Vec::new(), Vec::new());
        for (label, url) in samples {
            let trace = self.trace_request(&url);
            match trace.ends.first() {
                Some(RequestEnd::Served(served)) if !of_scripts.contains(&served.place) => {
                    let is_known = |(other, known): &(String, ServedRequest)| {
                        is_url_below(&label, other) && is_same_mount(known, served)
                    };
                    if !seen.iter().any(is_known) {
                        self.add_mount(&label, served, false);
                        seen.push((label, ServedRequest::clone(served)));
                    }
                    self.placed.not_told.extend(trace.not_told);
                }
                Some(RequestEnd::Refused { refusal, taker })
                    if taker.as_ref().is_none_or(|taker| !of_scripts.contains(taker)) =>
                {
                    if refusal.cause == RefusalCause::ExecutionOff {
                        self.add_refusal(refusal.clone());
                    }
                }
                Some(RequestEnd::Elsewhere(_)) => except.push(label),
                Some(RequestEnd::Served(_) | RequestEnd::Refused { .. }) => {}
                None => self.placed.not_told.extend(trace.not_told),
            }
        }
        for place in seen.into_iter().map(|(_, served)| served.place).collect::<BTreeSet<_>>() {
            self.add_exceptions(&place, &except);
        }
    }

    /// Records that scripts served by a handler are unknown because the document root is not on this machine.
    fn note_missing_document_root(&mut self, root: Option<&Path>) {
        let source = self.requests.source;
        let is_here = root.is_some_and(|root| source.is_folder(root));
        if is_here || !self.inherited_mappings(|server| &server.aliases).is_empty() {
            return;
        }
        let servers = &self.site().servers;
        let indices = BTreeSet::from([0, self.requests.index]);
        let all = indices.into_iter().flat_map(|index| {
            let sections = servers[index].sections.iter().map(|section| &section.settings);
            sections.chain([&servers[index].settings])
        });
        let set = all.flat_map(|settings| settings.handler.iter().chain(settings.by_extension.values()));
        let found: Vec<(ConfigLocation, String)> = set
            .filter(|set| is_wsgi_handler(&set.value))
            .map(|set| {
                let what = format!(
                    "{} by handler: which scripts it serves could not be determined (name them with --app)",
                    set.value
                );
                (set.place.clone(), what)
            })
            .collect();
        self.placed.not_told.extend(found);
    }

    /// Whether any directive may select a handler of mod_wsgi.
    fn has_wsgi_handlers(&self) -> bool {
        let servers = &self.site().servers;
        let indices = BTreeSet::from([0, self.requests.index]);
        indices.into_iter().any(|index| {
            let server = &servers[index];
            let sections = server.sections.iter().map(|section| &section.settings);
            let mut all = sections.chain([&server.settings]);
            all.any(|settings| {
                let set = settings.handler.iter().chain(settings.by_extension.values());
                set.into_iter().any(|set| is_wsgi_handler(&set.value))
                    || !settings.handlers.is_empty()
                    || settings.overrides.is_some_and(super::request_settings::HtaccessOverrides::allows_any)
            })
        })
    }

    /// Returns the URLs of a file, or of the files below a directory.
    fn sample_file_urls(&self, prefix: &str, target: &Path) -> Vec<(String, String)> {
        if !self.requests.source.is_folder(target) {
            return vec![(prefix.to_owned(), prefix.to_owned())];
        }
        let files = self.list_script_files(target);
        let names = files.iter().filter_map(|file| file.strip_prefix(target).ok());
        let urls = names.map(|name| join_url(prefix, &name.to_string_lossy()));
        urls.map(|url| (url.clone(), url)).collect()
    }

    /// Lists the files below a directory that may be scripts, in order.
    fn list_script_files(&self, folder: &Path) -> Vec<PathBuf> {
        let source = self.requests.source;
        let (mut found, mut left) = (Vec::new(), vec![(folder.to_owned(), 0)]);
        while let Some((path, depth)) = left.pop() {
            if found.len() >= MAX_FILES || depth > MAX_DEPTH {
                break;
            }
            let mut names = source.list_folder(&path).unwrap_or_default();
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

/// Whether this is the name of a mod_wsgi handler.
fn is_wsgi_handler(name: &str) -> bool {
    matches!(name, "wsgi-script" | "application/x-httpd-wsgi")
}

/// Explains a 404 that is due to a missing slash between URL and script.
fn explain_missing_slash(refusal: RequestRefusal, mapping: &UrlMapping, target: &str) -> RequestRefusal {
    let url = mapping.pattern_text();
    if refusal.cause.status() != 404 || !url.ends_with('/') || url == "/" || target.ends_with('/') {
        return refusal;
    }
    let plain = url.trim_end_matches('/');
    let text = format!(
        "requests below {url} get 404: the URL ends with a slash and the script does not (write \
         WSGIScriptAlias {plain} {target})"
    );
    RequestRefusal { text, ..refusal }
}

/// Whether two requests are served by the same script in the same interpreter.
fn is_same_mount(one: &ServedRequest, other: &ServedRequest) -> bool {
    one.limited == other.limited
        && one.script == other.script
        && one.process == other.process
        && one.application == other.application
        && one.callable == other.callable
        && one.refusal == other.refusal
}
