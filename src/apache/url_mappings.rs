//! URL mappings: `Alias` and its variants, `Redirect`, `ProxyPass` and `WSGIScriptAlias` (httpd 2.4,
//! mod_alias.c and mod_proxy.c; mod_wsgi.c, `wsgi_hook_intercept`).

use super::regular_expression::{RegularExpression, substitute_captures};
use super::values::LocatedValue;
use crate::model::ConfigLocation;

/// A directive that maps URLs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UrlMapping {
    pub(super) pattern: UrlPattern,
    pub(super) takes: MappingAction,
    pub(super) place: ConfigLocation,
}

/// The URLs of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum UrlPattern {
    /// A path and everything below it.
    Prefix(String),
    /// URLs that an expression matches.
    Match(RegularExpression),
}

/// What the mapping does with a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MappingAction {
    /// `WSGIScriptAlias`: a script, with the settings of its options.
    Script { target: String, options: Box<ScriptOptions> },
    /// `Alias`: a file or folder.
    Files(String),
    /// `ScriptAlias`: a file or folder of CGI scripts.
    Cgi(String),
    /// `Redirect`: a response with this status.
    Answer(u16),
    /// `ProxyPass`: another server; `false` for an exclusion (`!`).
    Proxy(bool),
}

/// The options of a `WSGIScriptAlias`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ScriptOptions {
    /// `process-group=`.
    pub(super) process: Option<LocatedValue<String>>,
    /// `application-group=`.
    pub(super) application: Option<LocatedValue<String>>,
    /// `callable-object=`.
    pub(super) callable: Option<LocatedValue<String>>,
}

/// Whether a mapping applies to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MappingMatch {
    No,
    /// The expression is not supported, so this is unknown.
    Perhaps,
    /// The length of the matched part of the URL, and the target with captured groups substituted.
    Yes {
        taken: usize,
        target: String,
    },
}

impl UrlPattern {
    /// Makes the pattern of a directive: an expression if the directive's name ends in `match`, else a prefix.
    pub(super) fn from_directive(name: &str, text: &str) -> Self {
        match name.ends_with("match") {
            true => Self::Match(RegularExpression::new(text)),
            false => Self::Prefix(text.to_owned()),
        }
    }
}

impl UrlMapping {
    pub(super) fn match_url(&self, url: &str) -> MappingMatch {
        let target = self.target();
        match &self.pattern {
            UrlPattern::Prefix(prefix) => match match_prefix(url, prefix) {
                0 => MappingMatch::No,
                taken => MappingMatch::Yes { taken, target: target.to_owned() },
            },
            UrlPattern::Match(expression) => match expression.captures(url) {
                None => MappingMatch::Perhaps,
                Some(None) => MappingMatch::No,
                Some(Some(captures)) => {
                    let taken = captures.get(0).map_or(0, |all| all.end());
                    // mod_wsgi ignores an empty match.
                    let is_script = matches!(self.takes, MappingAction::Script { .. });
                    match is_script && taken == 0 {
                        true => MappingMatch::No,
                        false => MappingMatch::Yes { taken, target: substitute_captures(target, &captures) },
                    }
                }
            },
        }
    }

    /// Returns the file or folder as written; empty if the mapping has none.
    pub(super) fn target(&self) -> &str {
        match &self.takes {
            MappingAction::Script { target, .. }
            | MappingAction::Files(target)
            | MappingAction::Cgi(target) => target,
            MappingAction::Answer(_) | MappingAction::Proxy(_) => "",
        }
    }

    /// Returns the URL prefix or the expression.
    pub(super) fn pattern_text(&self) -> &str {
        match &self.pattern {
            UrlPattern::Prefix(prefix) => prefix,
            UrlPattern::Match(expression) => &expression.text,
        }
    }

    /// Returns the note that it is unknown whether the mapping applies to a URL.
    pub(super) fn describe_undecided(&self, url: &str) -> (ConfigLocation, String) {
        (self.place.clone(), format!("whether {} matches {url} could not be determined", self.pattern_text()))
    }

    pub(super) fn has_expression(&self) -> bool {
        matches!(self.pattern, UrlPattern::Match(_))
    }

    /// Returns sample URLs that the mapping applies to.
    pub(super) fn sample_urls(&self) -> Vec<String> {
        match &self.pattern {
            // URLs begin with a slash.
            UrlPattern::Prefix(prefix) if !prefix.starts_with('/') => Vec::new(),
            UrlPattern::Prefix(prefix) => vec![prefix.clone(), join_url(prefix, SAMPLE_NAME)],
            UrlPattern::Match(expression) => {
                expression.sample_matches().iter().map(|text| with_leading_slash(text)).collect()
            }
        }
    }
}

/// A name that no real file or URL has.
pub(super) const SAMPLE_NAME: &str = "wsgiaudit-sample";

/// Joins a name to a URL.
pub(super) fn join_url(url: &str, name: &str) -> String {
    format!("{}/{name}", url.trim_end_matches('/'))
}

/// Adds the leading slash of a URL if it is missing.
pub(super) fn with_leading_slash(text: &str) -> String {
    if text.starts_with('/') { text.to_owned() } else { format!("/{text}") }
}

/// Returns the number of bytes of a URL that an alias matches, 0 if it does not match (mod_alias.c,
/// `alias_matches`). Repeated slashes count as one, and only whole path components match.
fn match_prefix(url: &str, alias: &str) -> usize {
    let (url, alias) = (url.as_bytes(), alias.as_bytes());
    let at = |bytes: &[u8], index: usize| bytes.get(index).copied();
    let (mut u, mut a) = (0, 0);
    while a < alias.len() {
        if at(alias, a) == Some(b'/') {
            if at(url, u) != Some(b'/') {
                return 0;
            }
            while at(alias, a) == Some(b'/') {
                a += 1;
            }
            while at(url, u) == Some(b'/') {
                u += 1;
            }
        } else {
            if at(url, u) != at(alias, a) {
                return 0;
            }
            (u, a) = (u + 1, a + 1);
        }
    }
    let is_whole = alias.last() == Some(&b'/') || matches!(at(url, u), None | Some(b'/'));
    if is_whole { u } else { 0 }
}

/// Parses the status of `Redirect [STATUS]`; `None` if the word is not a status.
pub(super) fn parse_status(word: &str) -> Option<u16> {
    match word.to_ascii_lowercase().as_str() {
        "permanent" => Some(301),
        "temp" => Some(302),
        "seeother" => Some(303),
        "gone" => Some(410),
        number => number.parse().ok().filter(|status| (100..600).contains(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_takes_whole_components() {
        for (url, alias, taken) in [
            ("/shop", "/shop", 5),
            ("/shop/x", "/shop", 5),
            ("/shopping", "/shop", 0),
            ("//shop//x", "/shop/", 8),
            ("/shop", "/shop/", 0),
            ("/x", "/", 1),
        ] {
            assert_eq!(match_prefix(url, alias), taken, "{url} {alias}");
        }
    }

    #[test]
    fn groups_of_an_expression_go_into_the_target() {
        let mapping = UrlMapping {
            pattern: UrlPattern::Match(RegularExpression::new("^/app/([^/]+)")),
            takes: MappingAction::Files("/srv/$1.wsgi".to_owned()),
            place: ConfigLocation { file: "x".into(), line: 1 },
        };
        let fit = MappingMatch::Yes { taken: 9, target: "/srv/shop.wsgi".to_owned() };
        assert_eq!(mapping.match_url("/app/shop/cart"), fit);
        assert_eq!(mapping.match_url("/other"), MappingMatch::No);
        assert_eq!(mapping.sample_urls(), ["/app/x"]);
    }

    #[test]
    fn a_redirect_has_a_status() {
        for (word, status) in [
            ("Permanent", Some(301)),
            ("temp", Some(302)),
            ("seeother", Some(303)),
            ("gone", Some(410)),
            ("100", Some(100)),
            ("599", Some(599)),
            ("99", None),
            ("600", None),
            ("/x", None),
        ] {
            assert_eq!(parse_status(word), status, "{word}");
        }
    }

    #[test]
    fn a_mapping_has_a_pattern_and_samples() {
        let mapping = |name: &str, text: &str, takes: MappingAction| UrlMapping {
            pattern: UrlPattern::from_directive(name, text),
            takes,
            place: ConfigLocation { file: "x".into(), line: 1 },
        };
        let plain = mapping("alias", "/a", MappingAction::Cgi("/cgi".to_owned()));
        assert_eq!((plain.pattern_text(), plain.target(), plain.has_expression()), ("/a", "/cgi", false));
        assert_eq!(plain.sample_urls(), ["/a", "/a/wsgiaudit-sample"]);
        assert_eq!(mapping("alias", "a", MappingAction::Proxy(true)).sample_urls(), [] as [String; 0]);
        assert_eq!(plain.match_url("/ab"), MappingMatch::No);
        let yes = |taken, target: &str| MappingMatch::Yes { taken, target: target.to_owned() };
        assert_eq!(plain.match_url("/a/b"), yes(2, "/cgi"));
        let matched = mapping("aliasmatch", "^/a", MappingAction::Answer(404));
        assert_eq!((matched.pattern_text(), matched.target(), matched.has_expression()), ("^/a", "", true));
        assert_eq!(matched.match_url("/ab"), yes(2, ""));
        assert_eq!(
            mapping("aliasmatch", "(?=x)", MappingAction::Answer(404)).match_url("/"),
            MappingMatch::Perhaps
        );
        assert_eq!(matched.describe_undecided("/u").1, "whether ^/a matches /u could not be determined");
        // mod_wsgi ignores an empty match.
        let script = MappingAction::Script { target: "/s".to_owned(), options: Box::default() };
        assert_eq!(mapping("wsgiscriptaliasmatch", "x*", script).match_url("/"), MappingMatch::No);
        assert_eq!(
            mapping("aliasmatch", "x*", MappingAction::Files("/f".to_owned())).match_url("/"),
            yes(0, "/f")
        );
        assert_eq!(
            [with_leading_slash("a"), with_leading_slash("/a"), join_url("/a/", "b")],
            ["/a", "/a", "/a/b"]
        );
    }
}
