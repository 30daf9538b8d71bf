//! From a URL to a file: httpd's translate_name hooks in their order (mod_rewrite, mod_proxy, mod_alias,
//! mod_wsgi, core).

use std::path::{Path, PathBuf};

use super::configuration_source::ConfigurationSource;
use super::rewrite::{RewriteContext, RewriteResult};
use super::site::{ApacheSite, Server};
use super::url_mappings::{MappingAction, MappingMatch, ScriptOptions, UrlMapping};
use crate::model::ConfigLocation;

/// The result of the translate_name hooks.
#[derive(Clone, Debug)]
pub(super) enum UrlTranslation {
    /// A file.
    File(Box<LocatedFile>),
    /// Apache itself or another server answers; no application is involved.
    Elsewhere(Option<ConfigLocation>),
    NotTold(ConfigLocation, String),
}

/// The file that a request maps to.
#[derive(Clone, Debug)]
pub(super) struct LocatedFile {
    /// The URL, after rewriting.
    pub(super) url: String,
    pub(super) file: PathBuf,
    /// The part of the URL after the file.
    pub(super) path_info: String,
    pub(super) kind: PathKind,
    /// The handler that the mapping sets, with the options of a `WSGIScriptAlias`.
    pub(super) forced: Option<(&'static str, ScriptOptions)>,
    /// The line of the mapping; `None` for `DocumentRoot`.
    pub(super) place: Option<ConfigLocation>,
    /// Environment variables that mod_rewrite sets.
    pub(super) variables: Vec<(String, Option<String>)>,
}

/// What exists at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathKind {
    File,
    Folder,
    Missing,
}

/// The name of mod_wsgi's handler.
pub(super) const WSGI_SCRIPT: &str = "wsgi-script";

impl ApacheSite {
    /// Translates a URL of a server.
    pub(super) fn translate_url(
        &self,
        index: usize,
        url: &str,
        source: &dyn ConfigurationSource,
    ) -> UrlTranslation {
        let (main, server) = (&self.servers[0], &self.servers[index]);
        let inherited = |field: fn(&Server) -> &Vec<UrlMapping>| {
            let base: &[UrlMapping] = if index == 0 { &[] } else { field(main) };
            field(server).iter().chain(base)
        };
        let root = server.root.as_ref().or(main.root.as_ref());
        let below_root = |url: &str| root.map(|root| format!("{}{url}", root.display()));
        let context =
            RewriteContext { root: root.map(PathBuf::as_path), file: Path::new(""), is_section: false };
        let (url, handled, variables) = match server.rewriting.apply_rules(url, url, context, source) {
            RewriteResult::Goes { url, handler, variables } => (url, handler, variables),
            RewriteResult::Answer(_) | RewriteResult::Proxy => return UrlTranslation::Elsewhere(None),
            RewriteResult::NotTold(place) => {
                return UrlTranslation::NotTold(
                    place,
                    format!("what this rule does with requests to {url} could not be determined"),
                );
            }
        };
        if (server.rewriting.has_options || main.rewriting.has_options)
            && index != 0
            && !main.rewriting.rules.is_empty()
        {
            let place = main.rewriting.rules[0].place.clone();
            return UrlTranslation::NotTold(
                place,
                "whether a virtual host inherits this rule could not be determined".to_owned(),
            );
        }
        let not_told = |mapping: &UrlMapping| {
            let (place, what) = mapping.describe_undecided(&url);
            UrlTranslation::NotTold(place, what)
        };
        for proxy in inherited(|server| &server.proxies) {
            match (proxy.match_url(&url), &proxy.takes) {
                (MappingMatch::No, _) => {}
                (MappingMatch::Perhaps, _) => return not_told(proxy),
                (MappingMatch::Yes { .. }, MappingAction::Proxy(false)) => break,
                (MappingMatch::Yes { .. }, _) => return UrlTranslation::Elsewhere(Some(proxy.place.clone())),
            }
        }
        for redirect in inherited(|server| &server.redirects) {
            match redirect.match_url(&url) {
                MappingMatch::No => {}
                MappingMatch::Perhaps => return not_told(redirect),
                MappingMatch::Yes { .. } => return UrlTranslation::Elsewhere(Some(redirect.place.clone())),
            }
        }
        for mapping in inherited(|server| &server.aliases).chain(inherited(|server| &server.scripts)) {
            let (taken, target) = match mapping.match_url(&url) {
                MappingMatch::No => continue,
                MappingMatch::Perhaps => return not_told(mapping),
                MappingMatch::Yes { taken, target } => (taken, target),
            };
            let rest = url.get(taken..).unwrap_or_default();
            let forced = match &mapping.takes {
                MappingAction::Script { options, .. } => Some((WSGI_SCRIPT, ScriptOptions::clone(options))),
                MappingAction::Cgi(_) => Some(("cgi-script", ScriptOptions::default())),
                MappingAction::Files(_) | MappingAction::Answer(_) | MappingAction::Proxy(_) => None,
            };
            let is_script = matches!(mapping.takes, MappingAction::Script { .. });
            let is_root = url.get(..taken) == Some("/");
            let name = match (is_script, mapping.has_expression(), is_root) {
                // The matched prefix includes the slash, and the script is not a folder.
                (true, _, true) => format!("{target}{url}"),
                (false, true, _) => target.clone(),
                (true | false, _, _) => format!("{target}{rest}"),
            };
            let place = Some(mapping.place.clone());
            // An expression may produce a path that does not exist; a literal target is assumed to be a file.
            let named = if mapping.target().contains('$') { "" } else { target.as_str() };
            let found = locate_file(&name, named, source);
            return UrlTranslation::File(Box::new(LocatedFile {
                forced,
                place,
                variables,
                ..found.with_url(&url)
            }));
        }
        let Some(name) = below_root(&url) else {
            return UrlTranslation::Elsewhere(None);
        };
        let found = locate_file(&name, "", source);
        let forced =
            handled.filter(|handler| handler == WSGI_SCRIPT).map(|_| (WSGI_SCRIPT, ScriptOptions::default()));
        UrlTranslation::File(Box::new(LocatedFile { forced, variables, ..found.with_url(&url) }))
    }
}

impl LocatedFile {
    fn with_url(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    /// Returns the part of the URL that names the script (`wsgi_script_name`).
    pub(super) fn script_name(&self) -> String {
        let mut url = self.url.clone();
        let mut info = self.path_info.clone();
        for text in [&mut url, &mut info] {
            while text.contains("//") {
                *text = text.replace("//", "/");
            }
        }
        url.strip_suffix(&info).unwrap_or(&url).to_owned()
    }
}

/// Finds the first file along the path; the rest is path info. A target that is not on this machine is
/// assumed to be a script.
fn locate_file(name: &str, target: &str, source: &dyn ConfigurationSource) -> LocatedFile {
    let found = |file: &Path, path_info: &str, kind| LocatedFile {
        url: String::new(),
        file: file.to_owned(),
        path_info: path_info.to_owned(),
        kind,
        forced: None,
        place: None,
        variables: Vec::new(),
    };
    let target = target.trim_end_matches('/');
    if !target.is_empty()
        && !source.exists(Path::new(target))
        && let Some(rest) = name.strip_prefix(target)
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return found(Path::new(target), rest, PathKind::File);
    }
    let mut path = PathBuf::from("/");
    let mut rest = name;
    loop {
        rest = rest.trim_start_matches('/');
        if rest.is_empty() {
            return found(&path, "", PathKind::Folder);
        }
        let (part, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        path.push(part);
        rest = after;
        match (source.exists(&path), source.is_folder(&path)) {
            (true, true) => {}
            (true, false) => return found(&path, rest, PathKind::File),
            (false, _) => return found(&path, rest, PathKind::Missing),
        }
    }
}
