//! Traces a request (httpd 2.4, `server/request.c`; mod_wsgi 6.1.1, `wsgi_hook_handler`,
//! `wsgi_execute_remote`): the sections that apply to it, access control, the handler and the groups.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::access::AllowedClients;
use super::configuration_source::ConfigurationSource;
use super::name_resolution::NameResolver;
use super::reader::{ReaderState, read_htaccess};
use super::request_settings::{HtaccessOverrides, RequestSettings};
use super::rewrite::{RewriteContext, RewriteResult};
use super::sections::{Applicability, MergeStage, Section, SectionCondition};
use super::served_request::{RefusalCause, RequestRefusal, ServedRequest};
use super::site::ApacheSite;
use super::site_builder::SiteBuilder;
use super::url_mappings::MappingMatch;
use super::url_translation::{LocatedFile, PathKind, UrlTranslation, WSGI_SCRIPT};
use super::values::LocatedValue;
use super::{dispatch_script, reader};
use crate::model::ConfigLocation;

/// How a request ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestEnd {
    /// mod_wsgi handles it.
    Served(Box<ServedRequest>),
    /// Something else answers; the line that maps the request.
    Elsewhere(Option<ConfigLocation>),
    /// Apache rejects it before mod_wsgi handles it.
    Refused { refusal: RequestRefusal, taker: Option<ConfigLocation> },
}

/// The trace of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestTrace {
    /// The possible ends; exactly one if it is decided.
    pub(super) ends: Vec<RequestEnd>,
    /// Sections that apply, or may apply.
    pub(super) sections: BTreeSet<ConfigLocation>,
    /// What could not be decided, with locations.
    pub(super) not_told: Vec<(ConfigLocation, String)>,
    /// Notes on sections that may apply. They are dropped if all combinations of sections end alike.
    undecided_sections: Vec<(ConfigLocation, String)>,
}

/// Internal redirects of one request that Apache allows (`LimitInternalRecursion`).
const MAX_REDIRECTS: usize = 10;

/// Largest number of setting combinations that are followed for one request.
const MAX_COMBINATIONS: usize = 64;

/// Traces requests to one server.
pub(super) struct RequestTracer<'a> {
    pub(super) site: &'a ApacheSite,
    pub(super) index: usize,
    pub(super) known: &'a ReaderState,
    pub(super) source: &'a dyn ConfigurationSource,
}

impl RequestTracer<'_> {
    /// Traces a GET request for a URL.
    pub(super) fn trace_get_request(&self, url: &str) -> RequestTrace {
        let mut trace = self.trace_url(url, 0);
        trace.not_told.append(&mut trace.undecided_sections);
        trace
    }

    fn trace_url(&self, url: &str, redirects: usize) -> RequestTrace {
        let mut trace = RequestTrace::default();
        let located = match self.site.translate_url(self.index, url, self.source) {
            UrlTranslation::File(located) => located,
            UrlTranslation::Elsewhere(place) => {
                trace.ends.push(RequestEnd::Elsewhere(place));
                return trace;
            }
            UrlTranslation::NotTold(place, what) => {
                trace.not_told.push((place, what));
                return trace;
            }
        };
        for settings in self.collect_settings(&located, &mut trace) {
            let end = self.decide_end(&located, &settings, redirects, &mut trace);
            if !trace.ends.contains(&end) {
                trace.ends.push(end);
            }
        }
        if trace.ends.len() == 1 {
            // All combinations lead to the same end, so the undecided sections do not matter.
            trace.undecided_sections.clear();
        }
        trace
    }

    /// Returns the merged settings: one entry for each combination of sections that may apply.
    fn collect_settings(&self, located: &LocatedFile, trace: &mut RequestTrace) -> Vec<RequestSettings> {
        let (main, server) = (&self.site.servers[0], &self.site.servers[self.index]);
        let base = if self.index == 0 {
            main.settings.clone()
        } else {
            server.settings.clone().merge_over(&main.settings)
        };
        let htaccess = self.read_htaccess_sections(located, &base);
        let of_main = if self.index == 0 { [].iter() } else { main.sections.iter() };
        // Sections of the main server come first among those of equal rank; a `.htaccess` comes after the
        // section of its folder.
        let mut sections: Vec<(&Section, usize)> =
            of_main.chain(&server.sections).map(|section| (section, 0)).collect();
        sections.extend(htaccess.iter().map(|section| (section, 1)));
        sections.sort_by_key(|(section, after)| {
            let (stage, depth) = section.merge_rank();
            (stage, depth + after)
        });
        let mut combinations = vec![base];
        let mut chains = BTreeSet::new();
        for (section, _) in &sections {
            let applicability = section.matches_request(&located.file, &located.url);
            if applicability == Applicability::No {
                continue;
            }
            trace.sections.insert(section.place.clone());
            let with =
                |outer: &RequestSettings, section: &Section| section.settings.clone().merge_over(outer);
            if applicability == Applicability::Yes {
                combinations = combinations.iter().map(|outer| with(outer, section)).collect();
                continue;
            }
            let what = format!(
                "whether this section applies to requests to {} could not be determined",
                located.url
            );
            trace.undecided_sections.push((section.place.clone(), what));
            let chain: Vec<&Section> = match section.branch {
                Some(branch) if !chains.insert(branch.chain) => continue,
                Some(branch) => {
                    let all = sections.iter().map(|(section, _)| *section);
                    let is_of =
                        |other: &&Section| other.branch.is_some_and(|other| other.chain == branch.chain);
                    all.filter(is_of)
                        .filter(|other| {
                            other.matches_request(&located.file, &located.url) != Applicability::No
                        })
                        .collect()
                }
                None => vec![section],
            };
            let is_one_taken =
                chain.iter().any(|section| section.branch.is_some_and(|branch| branch.is_else));
            let mut all = if is_one_taken { Vec::new() } else { combinations.clone() };
            all.extend(
                combinations.iter().flat_map(|outer| chain.iter().map(|section| with(outer, section))),
            );
            all.dedup();
            if all.len() > MAX_COMBINATIONS {
                trace
                    .not_told
                    .push((section.place.clone(), "too many sections depend on the request".to_owned()));
                break;
            }
            combinations = all;
        }
        combinations
    }

    /// Reads the `.htaccess` files in the folders above a file.
    fn read_htaccess_sections(&self, located: &LocatedFile, base: &RequestSettings) -> Vec<Section> {
        let mut found = Vec::new();
        let folders: Vec<&Path> = located.file.ancestors().skip(1).collect();
        for folder in folders.into_iter().rev() {
            let overrides = self.resolve_overrides(folder, base);
            if !overrides.allows_any() {
                continue;
            }
            for name in &self.site.access_files {
                let path = folder.join(name);
                if !self.source.exists(&path) || self.source.is_folder(&path) {
                    continue;
                }
                let here = SectionCondition::for_folder(folder);
                let sections = read_htaccess(&path, self.known, self.source).and_then(|directives| {
                    let tree = reader::ConfigurationTree {
                        known: self.known.clone(),
                        ..reader::ConfigurationTree::default()
                    };
                    SiteBuilder::for_htaccess(&tree, self.site).build_htaccess_sections(
                        &directives,
                        here.clone(),
                        overrides,
                    )
                });
                found.extend(sections.unwrap_or_else(|problem| {
                    let refused = Some(LocatedValue { value: problem.what, place: problem.place.clone() });
                    let settings = RequestSettings { refused, ..RequestSettings::default() };
                    vec![Section { conditions: vec![here], settings, place: problem.place, branch: None }]
                }));
                break;
            }
        }
        found
    }

    /// Returns the effective `AllowOverride` of a folder.
    fn resolve_overrides(&self, folder: &Path, base: &RequestSettings) -> HtaccessOverrides {
        let servers = [0, self.index];
        let indices = if self.index == 0 { &servers[..1] } else { &servers[..] };
        let all = indices.iter().flat_map(|index| &self.site.servers[*index].sections);
        let mut sections: Vec<&Section> = all.filter(|section| section.is_plain_directory()).collect();
        sections.sort_by_key(|section| section.merge_rank());
        let is_for =
            |section: &&Section| section.matches_request(&folder.join("x"), "/") == Applicability::Yes;
        let set =
            sections.into_iter().filter(is_for).filter_map(|section| section.settings.overrides).next_back();
        set.or(base.overrides).unwrap_or_default()
    }

    fn decide_end(
        &self,
        located: &LocatedFile,
        settings: &RequestSettings,
        redirects: usize,
        trace: &mut RequestTrace,
    ) -> RequestEnd {
        let mut settings = settings.clone();
        for (name, value) in &located.variables {
            settings.variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let taker = located.place.clone();
        let refused = |cause, place: &ConfigLocation, text: String| RequestEnd::Refused {
            refusal: RequestRefusal { cause, place: place.clone(), text },
            taker: taker.clone(),
        };
        if let Some(set) = &settings.refused {
            let text = format!("Apache answers with 500: {}", set.value);
            return refused(RefusalCause::Htaccess, &set.place, text);
        }
        let denies = [&settings.access, &settings.old_access]
            .into_iter()
            .flatten()
            .find(|access| access.allows == AllowedClients::None);
        if let Some(access) = denies {
            let text = format!("access to {} is denied to all clients: Apache answers with 403", located.url);
            return refused(RefusalCause::AccessDenied, &access.place, text);
        }
        for redirect in &settings.redirects {
            match redirect.match_url(&located.url) {
                MappingMatch::No => {}
                MappingMatch::Perhaps => trace.not_told.push(redirect.describe_undecided(&located.url)),
                MappingMatch::Yes { .. } => return RequestEnd::Elsewhere(Some(redirect.place.clone())),
            }
        }
        let rewritten = match self.apply_rewrite_rules(located, &settings) {
            RewriteResult::Goes { url, .. } if url != located.url && redirects < MAX_REDIRECTS => {
                let redirected = self.trace_url(&url, redirects + 1);
                trace.sections.extend(redirected.sections);
                trace.not_told.extend(redirected.not_told);
                trace.undecided_sections.extend(redirected.undecided_sections);
                return redirected.ends.into_iter().next().unwrap_or(RequestEnd::Elsewhere(taker));
            }
            RewriteResult::Goes { handler, variables, .. } => {
                for (name, value) in variables {
                    settings.variables.insert(name, value);
                }
                handler
            }
            RewriteResult::Answer(_) | RewriteResult::Proxy => return RequestEnd::Elsewhere(None),
            RewriteResult::NotTold(place) => {
                let what =
                    format!("what this rule does with requests to {} could not be determined", located.url);
                trace.not_told.push((place, what));
                None
            }
        };
        let (handler, place) = select_handler(located, &settings, rewritten);
        let Some(handler) = handler else { return RequestEnd::Elsewhere(taker) };
        let place = taker.clone().filter(|_| located.is_script_alias()).or(place).or_else(|| taker.clone());
        if let Some(named) = settings.handlers.get(&handler).cloned() {
            settings.process = named.process.or(settings.process);
            settings.application = named.application.or(settings.application);
            settings.callable =
                Some(LocatedValue { value: "handle_request".to_owned(), place: named.place.clone() });
            let mut script = PathBuf::from(named.script);
            match super::express_handler::find_express_application(&script, self.source) {
                None => {}
                Some(Ok((file, callable))) => {
                    settings.callable = Some(LocatedValue { value: callable, place: named.place.clone() });
                    script = file;
                }
                Some(Err(what)) => trace.not_told.push((named.place.clone(), what)),
            }
            return RequestEnd::Served(Box::new(self.build_served_request(
                located,
                &settings,
                script,
                named.place,
                trace,
            )));
        }
        if handler != WSGI_SCRIPT && handler != "application/x-httpd-wsgi" {
            return RequestEnd::Elsewhere(taker);
        }
        let Some(place) = place else { return RequestEnd::Elsewhere(taker) };
        match located.kind {
            PathKind::Missing if located.is_script_alias() => {
                let file = located.file.display();
                let text = format!("requests to {} get 404: there is no {file} (WSGI0135)", located.url);
                return refused(RefusalCause::ScriptMissing, &place, text);
            }
            PathKind::Missing | PathKind::Folder => return RequestEnd::Elsewhere(taker),
            PathKind::File => {}
        }
        if !located.is_script_alias() && settings.runs_scripts != Some(true) {
            let text = format!(
                "requests to {} get 403: Options ExecCGI is off for {} (WSGI0134)",
                located.url,
                located.file.display()
            );
            return refused(RefusalCause::ExecutionOff, &place, text);
        }
        if settings.takes_path_info == Some(false) && !located.path_info.is_empty() {
            let text = format!("requests to {} get 404: AcceptPathInfo is Off (WSGI0137)", located.url);
            return refused(RefusalCause::PathInfoOff, &place, text);
        }
        if let Some((_, options)) = located.forced.as_ref().filter(|_| located.is_script_alias()) {
            settings.apply_script_options(options.clone());
        }
        RequestEnd::Served(Box::new(self.build_served_request(
            located,
            &settings,
            located.file.clone(),
            place,
            trace,
        )))
    }

    /// Applies the rewrite rules of sections.
    fn apply_rewrite_rules(&self, located: &LocatedFile, settings: &RequestSettings) -> RewriteResult {
        let goes = || RewriteResult::Goes { url: located.url.clone(), handler: None, variables: Vec::new() };
        let Some(rewriting) = &settings.rewriting else { return goes() };
        let folder = located.file.parent().unwrap_or(Path::new("/"));
        let name = located.file.strip_prefix(folder).unwrap_or(&located.file);
        let subject = format!("{}{}", name.display(), located.path_info);
        let context = RewriteContext { root: None, file: &located.file, is_section: true };
        rewriting.apply_rules(&located.url, &subject, context, self.source)
    }

    fn build_served_request(
        &self,
        located: &LocatedFile,
        settings: &RequestSettings,
        script: PathBuf,
        place: ConfigLocation,
        trace: &mut RequestTrace,
    ) -> ServedRequest {
        let mut settings = settings.clone();
        if let Some(set) = settings.dispatch.clone() {
            match dispatch_script::read_dispatch_script(Path::new(&set.value), self.source) {
                Ok(names) => names.apply_to(&mut settings, &set.place),
                Err(what) => trace.not_told.push((set.place, what)),
            }
        }
        let (main, server) = (&self.site.servers[0], &self.site.servers[self.index]);
        let mut script_name = located.script_name();
        if self.site.ignores_case {
            script_name = script_name.to_ascii_lowercase();
        }
        let resolver = NameResolver { server, main, script_name: &script_name, settings: &settings };
        let value = |set: &Option<LocatedValue<String>>| set.as_ref().map(|set| set.value.clone());
        let (process, application) = (value(&settings.process), value(&settings.application));
        let named = application.as_deref().is_none_or(|name| name == "%{RESOURCE}");
        let served = ServedRequest {
            script,
            process: resolver.resolve_process_group(process.as_deref()),
            application: resolver.resolve_application_group(application.as_deref()),
            callable: resolver.resolve_callable(value(&settings.callable).as_deref()),
            is_by_url: named || process.as_deref() == Some("%{RESOURCE}"),
            script_name: script_name.clone(),
            limited: find_access_limit(&settings),
            reloads: settings.reloading.as_ref().is_none_or(|set| set.value),
            place,
            refusal: None,
        };
        for name in [&served.process, &served.application, &served.callable] {
            let what = name.not_told.iter().map(|what| (served.place.clone(), what.clone()));
            trace.not_told.extend(what);
        }
        let refusal = self.find_refusal(&served, &settings);
        ServedRequest { refusal, ..served }
    }

    /// Returns the refusal if mod_wsgi answers with status 500.
    fn find_refusal(&self, served: &ServedRequest, settings: &RequestSettings) -> Option<RequestRefusal> {
        if served.process.not_told.is_some() {
            return None;
        }
        let process = served.process.usual.as_str();
        let refuse = |cause, place: &ConfigLocation, text: String| {
            Some(RequestRefusal { cause, place: place.clone(), text })
        };
        let named = if process.is_empty() { "%{GLOBAL}" } else { process };
        let is_allowed = |allowed: &LocatedValue<Vec<String>>| {
            allowed.value.iter().any(|name| name.eq_ignore_ascii_case(process))
        };
        if let Some(allowed) = settings.allowed.as_ref().filter(|allowed| !is_allowed(allowed)) {
            let text = format!(
                "WSGIRestrictProcess ({}) does not allow {named}: requests get 500 (WSGI0149)",
                allowed.place
            );
            return refuse(RefusalCause::ProcessNotAllowed, &served.place, text);
        }
        if process.is_empty() {
            let restricted = self.site.restrict_embedded.as_ref().filter(|set| set.value)?;
            let text = format!(
                "requests would be served in Apache's own processes, which WSGIRestrictEmbedded On ({}) forbids: \
                 they get 500 (WSGI0143)",
                restricted.place
            );
            return refuse(RefusalCause::EmbeddedNotAllowed, &served.place, text);
        }
        let Some(daemon) = self.site.daemons.get(process) else {
            let text = format!("there is no WSGIDaemonProcess {process}: its requests fail (WSGI0151)");
            return refuse(RefusalCause::ProcessUndefined, &served.place, text);
        };
        let main = &self.site.servers[0];
        let host = |index: usize| self.site.servers[index].host_name(main);
        let is_mine =
            daemon.server == 0 || daemon.server == self.index || host(daemon.server) == host(self.index);
        if is_mine {
            return None;
        }
        let text = format!(
            "WSGIDaemonProcess {process} ({}) belongs to the virtual host {}: requests get 500 (WSGI0152)",
            daemon.place,
            host(daemon.server)
        );
        refuse(RefusalCause::ProcessOfOtherHost, &served.place, text)
    }
}

impl LocatedFile {
    fn is_script_alias(&self) -> bool {
        self.forced.as_ref().is_some_and(|(handler, _)| *handler == WSGI_SCRIPT) && self.place.is_some()
    }
}

/// Returns the handler, and the line that sets it unless that is the mapping.
fn select_handler(
    located: &LocatedFile,
    settings: &RequestSettings,
    rewritten: Option<String>,
) -> (Option<String>, Option<ConfigLocation>) {
    let mut handler = located.forced.as_ref().map(|(handler, _)| (*handler).to_owned());
    let mut place = None;
    let name = located.file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    // mod_mime: each extension may set a handler; the last one wins.
    for extension in name.split('.').skip(1) {
        if let Some(set) = settings.by_extension.get(extension).filter(|set| !set.value.is_empty()) {
            (handler, place) = (Some(set.value.clone()), Some(set.place.clone()));
        }
    }
    if let Some(set) = settings.handler.as_ref().filter(|set| !set.value.eq_ignore_ascii_case("none")) {
        (handler, place) = (Some(set.value.clone()), Some(set.place.clone()));
    }
    (rewritten.or(handler), place)
}

/// Returns the line that restricts access to some clients.
fn find_access_limit(settings: &RequestSettings) -> Option<ConfigLocation> {
    let all = [&settings.access, &settings.old_access].into_iter().flatten();
    all.filter(|access| access.allows == AllowedClients::Some).map(|access| access.place.clone()).next()
}

impl Section {
    fn is_plain_directory(&self) -> bool {
        self.conditions.iter().all(|each| each.stage == MergeStage::Directory && each.expression.is_none())
    }
}
