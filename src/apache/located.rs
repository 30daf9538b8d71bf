//! From a URL to a file (httpd 2.4, the translate hooks in their order: mod_rewrite, mod_proxy, mod_alias, mod_wsgi, core).

use std::path::{Path, PathBuf};

use super::Source;
use super::mappings::{Fit, Mapping, Takes};
use super::rewrite::{Place, Rewritten};
use super::settings::Settings;
use super::site::{Server, Site};
use crate::model::ConfigPlace;

/// What the translate hooks make of a request.
#[derive(Clone, Debug)]
pub(super) enum Translated {
    /// A file.
    File(Box<Located>),
    /// Apache answers, or another server: no application here.
    Elsewhere(Option<ConfigPlace>),
    NotTold(ConfigPlace, String),
}

/// A file for a request.
#[derive(Clone, Debug)]
pub(super) struct Located {
    /// The URL, rewritten or not.
    pub(super) url: String,
    pub(super) file: PathBuf,
    /// What follows the file in the URL.
    pub(super) path_info: String,
    pub(super) kind: Kind,
    /// The handler that the mapping forces, with what a `WSGIScriptAlias` sets.
    pub(super) forced: Option<(&'static str, Settings)>,
    /// The line that maps it; `None` for `DocumentRoot`.
    pub(super) place: Option<ConfigPlace>,
    /// What mod_rewrite sets.
    pub(super) variables: Vec<(String, Option<String>)>,
}

/// What lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Missing,
}

/// The name of mod_wsgi's handler.
pub(super) const WSGI_SCRIPT: &str = "wsgi-script";

impl Site {
    /// Where a request to a server goes.
    pub(super) fn translate(&self, index: usize, url: &str, source: &dyn Source) -> Translated {
        let (main, server) = (&self.servers[0], &self.servers[index]);
        let inherited = |of: fn(&Server) -> &Vec<Mapping>| {
            let base: &[Mapping] = if index == 0 { &[] } else { of(main) };
            of(server).iter().chain(base)
        };
        let root = server.root.as_ref().or(main.root.as_ref());
        let below_root = |url: &str| root.map(|root| format!("{}{url}", root.display()));
        let place = Place { root: root.map(PathBuf::as_path), file: Path::new(""), is_section: false };
        let (url, handled, variables) = match server.rewriting.apply(url, url, place, source) {
            Rewritten::Goes { url, handler, variables } => (url, handler, variables),
            Rewritten::Answer(_) | Rewritten::Proxy => return Translated::Elsewhere(None),
            Rewritten::NotTold(place) => {
                return Translated::NotTold(
                    place,
                    format!("what this rule makes of requests to {url} is not told"),
                );
            }
        };
        if (server.rewriting.has_options || main.rewriting.has_options)
            && index != 0
            && !main.rewriting.rules.is_empty()
        {
            let place = main.rewriting.rules[0].place.clone();
            return Translated::NotTold(
                place,
                "whether a virtual host inherits this rule is not told".to_owned(),
            );
        }
        let not_told = |mapping: &Mapping| {
            let (place, what) = mapping.not_told(&url);
            Translated::NotTold(place, what)
        };
        for proxy in inherited(|server| &server.proxies) {
            match (proxy.fit(&url), &proxy.takes) {
                (Fit::No, _) => {}
                (Fit::Perhaps, _) => return not_told(proxy),
                (Fit::Yes { .. }, Takes::Proxy(false)) => break,
                (Fit::Yes { .. }, _) => return Translated::Elsewhere(Some(proxy.place.clone())),
            }
        }
        for redirect in inherited(|server| &server.redirects) {
            match redirect.fit(&url) {
                Fit::No => {}
                Fit::Perhaps => return not_told(redirect),
                Fit::Yes { .. } => return Translated::Elsewhere(Some(redirect.place.clone())),
            }
        }
        for mapping in inherited(|server| &server.aliases).chain(inherited(|server| &server.scripts)) {
            let (taken, target) = match mapping.fit(&url) {
                Fit::No => continue,
                Fit::Perhaps => return not_told(mapping),
                Fit::Yes { taken, target } => (taken, target),
            };
            let rest = url.get(taken..).unwrap_or_default();
            let forced = match &mapping.takes {
                Takes::Script { options, .. } => Some((WSGI_SCRIPT, Settings::clone(options))),
                Takes::Cgi(_) => Some(("cgi-script", Settings::default())),
                Takes::Files(_) | Takes::Answer(_) | Takes::Proxy(_) => None,
            };
            let is_script = matches!(mapping.takes, Takes::Script { .. });
            let is_root = url.get(..taken) == Some("/");
            let name = match (is_script, mapping.is_match(), is_root) {
                // The slash is part of what is taken, and the script is no folder.
                (true, _, true) => format!("{target}{url}"),
                (false, true, _) => target.clone(),
                (true | false, _, _) => format!("{target}{rest}"),
            };
            let place = Some(mapping.place.clone());
            // What an expression names may be no file; what the configuration names is taken for one.
            let named = if mapping.target().contains('$') { "" } else { target.as_str() };
            let found = locate(&name, named, source);
            return Translated::File(Box::new(Located { forced, place, variables, ..found.for_url(&url) }));
        }
        let Some(name) = below_root(&url) else {
            return Translated::Elsewhere(None);
        };
        let found = locate(&name, "", source);
        let forced =
            handled.filter(|handler| handler == WSGI_SCRIPT).map(|_| (WSGI_SCRIPT, Settings::default()));
        Translated::File(Box::new(Located { forced, variables, ..found.for_url(&url) }))
    }
}

impl Located {
    fn for_url(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    /// The part of the URL that names the script (`wsgi_script_name`).
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

/// The first file on the way. What is not on this machine is taken for a script where the configuration names it as one.
fn locate(name: &str, target: &str, source: &dyn Source) -> Located {
    let found = |file: &Path, path_info: &str, kind| Located {
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
        return found(Path::new(target), rest, Kind::File);
    }
    let mut path = PathBuf::from("/");
    let mut rest = name;
    loop {
        rest = rest.trim_start_matches('/');
        if rest.is_empty() {
            return found(&path, "", Kind::Folder);
        }
        let (part, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        path.push(part);
        rest = after;
        match (source.exists(&path), source.is_folder(&path)) {
            (true, true) => {}
            (true, false) => return found(&path, rest, Kind::File),
            (false, _) => return found(&path, rest, Kind::Missing),
        }
    }
}
