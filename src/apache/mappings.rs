//! From URLs to files: `Alias` and its kin, `Redirect`, `ProxyPass` and `WSGIScriptAlias` (httpd 2.4, mod_alias.c and
//! mod_proxy.c; mod_wsgi.c, `wsgi_hook_intercept`).

use super::expression::{Expression, substitute};
use super::settings::Settings;
use crate::model::ConfigPlace;

/// A line that takes requests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mapping {
    pub(super) pattern: Pattern,
    pub(super) takes: Takes,
    pub(super) place: ConfigPlace,
}

/// Which URLs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// One, and those below it.
    Prefix(String),
    /// Those that an expression matches.
    Match(Expression),
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Takes {
    /// `WSGIScriptAlias`: a script, and what its options say.
    Script { target: String, options: Box<Settings> },
    /// `Alias`: a file or folder.
    Files(String),
    /// `ScriptAlias`: the same, as CGI scripts.
    Cgi(String),
    /// `Redirect`: an answer without content.
    Answer(u16),
    /// `ProxyPass`: another server; `false` where it is excepted (`!`).
    Proxy(bool),
}

/// How a mapping holds for a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    No,
    /// An expression that is not understood.
    Perhaps,
    /// The part of the URL that is taken, and the target with what the expression's groups matched.
    Yes {
        taken: usize,
        target: String,
    },
}

impl Mapping {
    pub(super) fn fit(&self, url: &str) -> Fit {
        let target = self.target();
        match &self.pattern {
            Pattern::Prefix(prefix) => match matched(url, prefix) {
                0 => Fit::No,
                taken => Fit::Yes { taken, target: target.to_owned() },
            },
            Pattern::Match(expression) => match expression.captures(url) {
                None => Fit::Perhaps,
                Some(None) => Fit::No,
                Some(Some(captures)) => {
                    let taken = captures.get(0).map_or(0, |all| all.end());
                    // mod_wsgi does not take an empty match.
                    let is_script = matches!(self.takes, Takes::Script { .. });
                    match is_script && taken == 0 {
                        true => Fit::No,
                        false => Fit::Yes { taken, target: substitute(target, &captures) },
                    }
                }
            },
        }
    }

    /// The file or folder, as it is written.
    pub(super) fn target(&self) -> &str {
        match &self.takes {
            Takes::Script { target, .. } | Takes::Files(target) | Takes::Cgi(target) => target,
            Takes::Answer(_) | Takes::Proxy(_) => "",
        }
    }

    /// The URL, or the expression.
    pub(super) fn text(&self) -> &str {
        match &self.pattern {
            Pattern::Prefix(prefix) => prefix,
            Pattern::Match(expression) => &expression.text,
        }
    }

    /// That it is not known whether it is for a URL, with its line.
    pub(super) fn not_told(&self, url: &str) -> (ConfigPlace, String) {
        (self.place.clone(), format!("whether {} is for {url} is not told", self.text()))
    }

    pub(super) fn is_match(&self) -> bool {
        matches!(self.pattern, Pattern::Match(_))
    }

    /// URLs that it is for.
    pub(super) fn samples(&self) -> Vec<String> {
        match &self.pattern {
            // URLs begin with a slash.
            Pattern::Prefix(prefix) if !prefix.starts_with('/') => Vec::new(),
            Pattern::Prefix(prefix) => vec![prefix.clone(), below(prefix, SAMPLE)],
            Pattern::Match(expression) => expression.samples().iter().map(|text| as_url(text)).collect(),
        }
    }
}

/// A name that nobody has given to anything.
pub(super) const SAMPLE: &str = "wsgiaudit-sample";

/// A URL below another one.
pub(super) fn below(url: &str, name: &str) -> String {
    format!("{}/{name}", url.trim_end_matches('/'))
}

/// A text with the slash that URLs begin with.
pub(super) fn as_url(text: &str) -> String {
    if text.starts_with('/') { text.to_owned() } else { format!("/{text}") }
}

/// How many letters of a URL an alias takes (`alias_matches`): any number of slashes is as good as one, and a component is
/// taken as a whole. 0 where it does not fit.
fn matched(url: &str, alias: &str) -> usize {
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

/// `Redirect [STATUS]`: the status, and whether the word is one.
pub(super) fn status(word: &str) -> Option<u16> {
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
            assert_eq!(matched(url, alias), taken, "{url} {alias}");
        }
    }

    #[test]
    fn groups_of_an_expression_go_into_the_target() {
        let mapping = Mapping {
            pattern: Pattern::Match(Expression::new("^/app/([^/]+)")),
            takes: Takes::Files("/srv/$1.wsgi".to_owned()),
            place: ConfigPlace { file: "x".into(), line: 1 },
        };
        let fit = Fit::Yes { taken: 9, target: "/srv/shop.wsgi".to_owned() };
        assert_eq!(mapping.fit("/app/shop/cart"), fit);
        assert_eq!(mapping.fit("/other"), Fit::No);
        assert_eq!(mapping.samples(), ["/app/x"]);
    }
}
