//! Which requests a section of Apache's configuration is for (httpd 2.4, `server/request.c`).

use std::path::Path;

use glob::{MatchOptions, Pattern};

use super::expression::Expression;
use super::settings::Settings;
use crate::model::ConfigPlace;

/// A section that holds directives.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Section {
    /// Outermost first; all must hold.
    pub(super) conditions: Vec<Where>,
    pub(super) settings: Settings,
    pub(super) place: ConfigPlace,
    /// Of `<If>` and its kin.
    pub(super) branch: Option<Branch>,
}

/// Of `<If>`, `<ElseIf>` and `<Else>` that belong together, one is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    /// Which of them belong together.
    pub(super) chain: usize,
    /// `<Else>`: without it none may be taken.
    pub(super) is_else: bool,
}

/// A condition on a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Where {
    pub(super) stage: Stage,
    pub(super) argument: String,
    /// By a regular expression.
    pub(super) expression: Option<Expression>,
}

/// The order in which sections are applied; later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// By folder, the longest last.
    Directory,
    /// By folder and expression.
    DirectoryMatch,
    /// By file name.
    Files,
    /// By URL.
    Location,
    /// By anything.
    If,
    /// Requests that go to another server: never for a script.
    Proxy,
}

/// Whether a condition holds for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Held {
    No,
    Perhaps,
    Yes,
}

impl Where {
    /// A section's condition; `None` where it is not about requests for scripts, or about all of them.
    pub(super) fn new(kind: &str, arguments: &str) -> Option<Self> {
        let (tilde, first) = match arguments.trim_start().strip_prefix('~') {
            Some(rest) => (true, super::line::word(rest).0),
            None => (false, super::line::word(arguments).0),
        };
        let (stage, is_match) = match kind {
            "directory" if tilde => (Stage::DirectoryMatch, true),
            "directory" => (Stage::Directory, false),
            "directorymatch" => (Stage::DirectoryMatch, true),
            "files" => (Stage::Files, tilde),
            "filesmatch" => (Stage::Files, true),
            "location" => (Stage::Location, tilde),
            "locationmatch" => (Stage::Location, true),
            "if" | "elseif" | "else" => (Stage::If, false),
            "proxy" | "proxymatch" => (Stage::Proxy, false),
            _ => return None,
        };
        let expression = is_match.then(|| Expression::new(&first));
        Some(Self { stage, argument: first, expression })
    }

    /// A folder.
    pub(super) fn folder(path: &Path) -> Self {
        Self { stage: Stage::Directory, argument: path.to_string_lossy().into_owned(), expression: None }
    }

    pub(super) fn is_location(&self) -> bool {
        self.stage == Stage::Location
    }

    /// `<Directory>` without an expression: where `AllowOverride` counts.
    pub(super) fn is_folder(&self) -> bool {
        self.stage == Stage::Directory
    }

    /// Whether it holds for a script at a URL.
    fn holds(&self, script: &Path, url: &str) -> Held {
        let name = script.file_name().unwrap_or_default().to_string_lossy();
        let matched = |text: &str| {
            let found = self.expression.as_ref().map(|expression| expression.is_match(text));
            found.map(|found| match found {
                Some(true) => Held::Yes,
                Some(false) => Held::No,
                None => Held::Perhaps,
            })
        };
        let is_pattern = self.argument.contains(['*', '?', '[']);
        let held = match self.stage {
            Stage::Directory => is_below(script, &self.argument),
            // Tried on the path of the file (`ap_directory_walk`).
            Stage::DirectoryMatch => return matched(&script.to_string_lossy()).unwrap_or(Held::No),
            Stage::Files => match matched(&name) {
                Some(held) => return held,
                None => matches(&self.argument, &name),
            },
            Stage::Location => match matched(url) {
                Some(held) => return held,
                None if is_pattern => matches(&self.argument, url),
                None => is_under(url, &self.argument),
            },
            Stage::If => return Held::Perhaps,
            Stage::Proxy => false,
        };
        if held { Held::Yes } else { Held::No }
    }

    /// How landings name what it is for: a sample that stands for all below it, else an expression.
    pub(super) fn label(&self, sample: &str) -> String {
        let is_pattern = self.argument.contains(['*', '?', '[']);
        match &self.expression {
            Some(expression) if expression.is_prefix() => sample.to_owned(),
            Some(_) => self.argument.clone(),
            None if is_pattern => {
                let text = self.argument.split('*').map(regex::escape).collect::<Vec<_>>().join("[^/]*");
                format!("^{}$", text.replace("\\?", "[^/]"))
            }
            None => self.argument.clone(),
        }
    }

    /// URLs that it is for.
    pub(super) fn samples(&self) -> Vec<String> {
        match (&self.stage, &self.expression) {
            (Stage::Location, Some(expression)) => {
                expression.samples().iter().map(|text| super::mappings::as_url(text)).collect()
            }
            (Stage::Location, None) => {
                vec![self.argument.replace(['*', '?'], "x")]
            }
            (Stage::Directory | Stage::DirectoryMatch | Stage::Files | Stage::If | Stage::Proxy, _) => {
                Vec::new()
            }
        }
    }
}

impl Section {
    /// Whether all of its conditions hold.
    pub(super) fn holds(&self, script: &Path, url: &str) -> Held {
        self.conditions.iter().map(|each| each.holds(script, url)).min().unwrap_or(Held::Yes)
    }

    /// Where it comes in the order of application.
    pub(super) fn rank(&self) -> (Stage, usize) {
        let stage = self.conditions.iter().map(|each| each.stage).max().unwrap_or(Stage::Directory);
        let folder = self.conditions.iter().find(|each| each.stage == Stage::Directory);
        let depth = folder.map_or(0, |each| parts(&each.argument).count());
        match stage {
            // Those in a folder come after those of the server.
            Stage::Directory | Stage::Files => (stage, 2 * depth),
            Stage::DirectoryMatch | Stage::Location | Stage::If | Stage::Proxy => (stage, 0),
        }
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// `<Directory>`: the folder or one above the script; wildcards do not match `/`.
fn is_below(script: &Path, folder: &str) -> bool {
    let text = script.to_string_lossy();
    let mut left = parts(&text);
    let wanted: Vec<&str> = parts(folder).collect();
    let all = wanted.iter().all(|part| left.next().is_some_and(|found| matches(part, found)));
    // The script itself is no folder.
    all && left.next().is_some()
}

/// `<Location>`: the URL, or one below it.
pub(super) fn is_under(url: &str, location: &str) -> bool {
    match url.strip_prefix(location) {
        Some(rest) => location.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Wildcards that do not match `/`.
fn matches(pattern: &str, text: &str) -> bool {
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
    fn sections_are_for_what_apache_says_they_are_for() {
        let holds = |kind: &str, argument: &str| {
            let place = Where::new(kind, argument).unwrap();
            place.holds(Path::new("/srv/shop/app.wsgi"), "/shop")
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
            assert_eq!(holds(kind, argument), Held::Yes, "{kind} {argument}");
        }
        for (kind, argument) in [
            ("directory", "/srv/shop/app.wsgi"),
            ("directory", "/srv/sho"),
            ("directory", "/*"),
            ("files", "other"),
            ("location", "/sho"),
            ("location", "/shop/"),
        ] {
            assert_eq!(holds(kind, argument) == Held::Yes, argument == "/*", "{kind} {argument}");
        }
        for (kind, argument) in [("location", "~ (?=x)"), ("if", "true")] {
            assert_eq!(holds(kind, argument), Held::Perhaps);
        }
        for (kind, argument) in [("locationmatch", "^/cart"), ("filesmatch", "x"), ("proxy", "*")] {
            assert_eq!(holds(kind, argument), Held::No);
        }
        assert_eq!(Where::new("limit", "GET"), None);
    }
}
