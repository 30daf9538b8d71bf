//! Decides which requests a section of the configuration applies to (httpd 2.4, `server/request.c`).

use std::path::Path;

use glob::{MatchOptions, Pattern};

use super::regular_expression::RegularExpression;
use super::request_settings::RequestSettings;
use crate::model::ConfigLocation;

/// A section with its settings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Section {
    /// The conditions of this section and of those around it, outermost first; all must match.
    pub(super) conditions: Vec<SectionCondition>,
    pub(super) settings: RequestSettings,
    pub(super) place: ConfigLocation,
    /// Set for `<If>`, `<ElseIf>` and `<Else>`.
    pub(super) branch: Option<IfChainBranch>,
}

/// A branch of an `<If>` chain, of which at most one applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IfChainBranch {
    /// The number of the chain.
    pub(super) chain: usize,
    /// `<Else>`: exactly one branch of the chain applies.
    pub(super) is_else: bool,
}

/// A condition on a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SectionCondition {
    pub(super) stage: MergeStage,
    pub(super) argument: String,
    /// Set if the argument is a regular expression.
    pub(super) expression: Option<RegularExpression>,
}

/// The order in which httpd merges sections; later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MergeStage {
    /// `<Directory>`, the longest path last.
    Directory,
    /// `<DirectoryMatch>`.
    DirectoryMatch,
    /// `<Files>` and `<FilesMatch>`.
    Files,
    /// `<Location>` and `<LocationMatch>`.
    Location,
    /// `<If>` and its branches.
    If,
    /// `<Proxy>`: requests for another server, never for a script.
    Proxy,
}

/// Whether a section applies to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Applicability {
    No,
    Perhaps,
    Yes,
}

impl SectionCondition {
    /// Returns the condition of a section; `None` for sections that do not select requests for scripts.
    pub(super) fn new(kind: &str, arguments: &str) -> Option<Self> {
        let (tilde, first) = match arguments.trim_start().strip_prefix('~') {
            Some(rest) => (true, super::lexer::split_word(rest).0),
            None => (false, super::lexer::split_word(arguments).0),
        };
        let (stage, is_match) = match kind {
            "directory" if tilde => (MergeStage::DirectoryMatch, true),
            "directory" => (MergeStage::Directory, false),
            "directorymatch" => (MergeStage::DirectoryMatch, true),
            "files" => (MergeStage::Files, tilde),
            "filesmatch" => (MergeStage::Files, true),
            "location" => (MergeStage::Location, tilde),
            "locationmatch" => (MergeStage::Location, true),
            "if" | "elseif" | "else" => (MergeStage::If, false),
            "proxy" | "proxymatch" => (MergeStage::Proxy, false),
            _ => return None,
        };
        let expression = is_match.then(|| RegularExpression::new(&first));
        Some(Self { stage, argument: first, expression })
    }

    /// The condition of `<Directory PATH>`.
    pub(super) fn for_folder(path: &Path) -> Self {
        Self { stage: MergeStage::Directory, argument: path.to_string_lossy().into_owned(), expression: None }
    }

    pub(super) fn is_location(&self) -> bool {
        self.stage == MergeStage::Location
    }

    /// Whether it is a `<Directory>` without an expression, the only place for `AllowOverride`.
    pub(super) fn is_directory(&self) -> bool {
        self.stage == MergeStage::Directory
    }

    /// Whether the condition matches a request for a script at a URL.
    fn matches_request(&self, script: &Path, url: &str) -> Applicability {
        let name = script.file_name().unwrap_or_default().to_string_lossy();
        let matched = |text: &str| {
            let found = self.expression.as_ref().map(|expression| expression.is_match(text));
            found.map(|found| match found {
                Some(true) => Applicability::Yes,
                Some(false) => Applicability::No,
                None => Applicability::Perhaps,
            })
        };
        let is_pattern = self.argument.contains(['*', '?', '[']);
        let held = match self.stage {
            MergeStage::Directory => is_in_folder(script, &self.argument),
            // httpd matches the path of the file (`ap_directory_walk`).
            MergeStage::DirectoryMatch => {
                return matched(&script.to_string_lossy()).unwrap_or(Applicability::No);
            }
            MergeStage::Files => match matched(&name) {
                Some(held) => return held,
                None => matches_glob(&self.argument, &name),
            },
            MergeStage::Location => match matched(url) {
                Some(held) => return held,
                None if is_pattern => matches_glob(&self.argument, url),
                None => is_url_below(url, &self.argument),
            },
            MergeStage::If => return Applicability::Perhaps,
            MergeStage::Proxy => false,
        };
        if held { Applicability::Yes } else { Applicability::No }
    }

    /// Returns the label of a mount for this section: a sample URL that stands for everything below it, or an
    /// expression.
    pub(super) fn url_label(&self, sample: &str) -> String {
        let is_pattern = self.argument.contains(['*', '?', '[']);
        match &self.expression {
            Some(expression) if expression.is_prefix_choice() => sample.to_owned(),
            Some(_) => self.argument.clone(),
            None if is_pattern => {
                let text = self.argument.split('*').map(regex::escape).collect::<Vec<_>>().join("[^/]*");
                format!("^{}$", text.replace("\\?", "[^/]"))
            }
            None => self.argument.clone(),
        }
    }

    /// Returns sample URLs that the condition matches.
    pub(super) fn sample_urls(&self) -> Vec<String> {
        match (&self.stage, &self.expression) {
            (MergeStage::Location, Some(expression)) => expression
                .sample_matches()
                .iter()
                .map(|text| super::url_mappings::with_leading_slash(text))
                .collect(),
            (MergeStage::Location, None) => {
                vec![self.argument.replace(['*', '?'], "x")]
            }
            (
                MergeStage::Directory
                | MergeStage::DirectoryMatch
                | MergeStage::Files
                | MergeStage::If
                | MergeStage::Proxy,
                _,
            ) => Vec::new(),
        }
    }
}

impl Section {
    /// Whether all of its conditions match a request for a script at a URL.
    pub(super) fn matches_request(&self, script: &Path, url: &str) -> Applicability {
        self.conditions
            .iter()
            .map(|each| each.matches_request(script, url))
            .min()
            .unwrap_or(Applicability::Yes)
    }

    /// Returns the position in the merge order.
    pub(super) fn merge_rank(&self) -> (MergeStage, usize) {
        let stage = self.conditions.iter().map(|each| each.stage).max().unwrap_or(MergeStage::Directory);
        let folder = self.conditions.iter().find(|each| each.stage == MergeStage::Directory);
        let depth = folder.map_or(0, |each| path_components(&each.argument).count());
        match stage {
            // Sections within a folder come after those of the server.
            MergeStage::Directory | MergeStage::Files => (stage, 2 * depth),
            MergeStage::DirectoryMatch | MergeStage::Location | MergeStage::If | MergeStage::Proxy => {
                (stage, 0)
            }
        }
    }
}

fn path_components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// Whether a `<Directory>` applies to a script: it is a folder above it. Wildcards do not match `/`.
fn is_in_folder(script: &Path, folder: &str) -> bool {
    let text = script.to_string_lossy();
    let mut left = path_components(&text);
    let wanted: Vec<&str> = path_components(folder).collect();
    let all = wanted.iter().all(|part| left.next().is_some_and(|found| matches_glob(part, found)));
    // The script itself is not a folder.
    all && left.next().is_some()
}

/// Whether a `<Location>` applies to a URL: it is the URL or a prefix of whole components.
pub(super) fn is_url_below(url: &str, location: &str) -> bool {
    match url.strip_prefix(location) {
        Some(rest) => location.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Matches wildcards, which do not match `/`.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    match Pattern::new(pattern) {
        Ok(compiled) => compiled.matches_with(text, options),
        Err(_) => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_does_not_match_a_slash() {
        assert!(matches_glob("/a*", "/ab"));
        assert!(!matches_glob("/a*", "/ab/c"));
        assert!(matches_glob("[", "["), "an invalid pattern is taken literally");
    }

    #[test]
    fn sections_are_for_what_apache_says_they_are_for() {
        let holds = |kind: &str, argument: &str| {
            let place = SectionCondition::new(kind, argument).unwrap();
            place.matches_request(Path::new("/srv/shop/app.wsgi"), "/shop")
        };
        for (kind, argument) in [
            ("directory", "/"),
            ("directory", "/srv/shop/"),
            ("directory", "\"/srv/*\""),
            ("files", "app.wsgi"),
            ("files", "*.wsgi"),
            ("location", "/"),
            ("location", "/shop"),
            ("location", "/sh*"),
            ("location", "~ ^/s"),
            ("locationmatch", "^/(shop|cart)(/|$)"),
            ("filesmatch", "wsgi$"),
            ("directorymatch", "^/srv/[a-z]+/"),
        ] {
            assert_eq!(holds(kind, argument), Applicability::Yes, "{kind} {argument}");
        }
        for (kind, argument) in [
            ("directory", "/srv/shop/app.wsgi"),
            ("directory", "/srv/sho"),
            ("directory", "/*"),
            ("files", "other"),
            ("location", "/sho"),
            ("location", "/shop/"),
        ] {
            assert_eq!(holds(kind, argument) == Applicability::Yes, argument == "/*", "{kind} {argument}");
        }
        for (kind, argument) in [("location", "~ (?=x)"), ("if", "true")] {
            assert_eq!(holds(kind, argument), Applicability::Perhaps);
        }
        for (kind, argument) in [("locationmatch", "^/cart"), ("filesmatch", "x"), ("proxy", "*")] {
            assert_eq!(holds(kind, argument), Applicability::No);
        }
        assert_eq!(SectionCondition::new("limit", "GET"), None);
    }
}
