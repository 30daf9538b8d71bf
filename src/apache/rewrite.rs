//! mod_rewrite (httpd 2.4), as far as files say what it does: redirects, refusals, what is left alone, and what is passed on
//! under another URL. All else is not followed.

use std::path::{Path, PathBuf};

use super::Source;
use super::expression::{Expression, substitute};
use super::line::words;
use crate::model::ConfigPlace;

/// What a server or a section says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rewriting {
    /// `RewriteEngine`.
    pub(super) is_on: Option<bool>,
    pub(super) rules: Vec<Rule>,
    /// Conditions that wait for their rule.
    conditions: Vec<Condition>,
    /// `RewriteOptions`, `RewriteBase`, `RewriteMap`: not followed where a rule takes a request.
    pub(super) has_options: bool,
}

/// `RewriteRule`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pattern: Expression,
    is_negated: bool,
    substitution: String,
    flags: Vec<String>,
    conditions: Vec<Condition>,
    pub(super) place: ConfigPlace,
}

/// `RewriteCond`.
#[derive(Clone, Debug, PartialEq)]
struct Condition {
    test: String,
    pattern: String,
    is_or: bool,
}

/// Where rules stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// `DocumentRoot`, for rules of a server.
    pub(super) root: Option<&'a Path>,
    /// What a request in a section is for.
    pub(super) file: &'a Path,
    pub(super) is_section: bool,
}

impl Place<'_> {
    /// The file that a condition tests. For a server's rules the file is not known yet, and the URL stands for it.
    fn named(&self, test: &str, url: &str) -> Option<PathBuf> {
        let of_root = || self.root.map(|root| PathBuf::from(format!("{}{url}", root.display())));
        match test {
            "%{REQUEST_FILENAME}" | "%{SCRIPT_FILENAME}" if self.is_section => Some(self.file.to_owned()),
            "%{REQUEST_FILENAME}" | "%{SCRIPT_FILENAME}" => Some(PathBuf::from(url)),
            "%{DOCUMENT_ROOT}%{REQUEST_URI}" | "%{DOCUMENT_ROOT}%{REQUEST_FILENAME}" if !self.is_section => {
                of_root()
            }
            _ => None,
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rewritten {
    /// It goes on, under this URL.
    Goes { url: String, handler: Option<String>, variables: Vec<(String, Option<String>)> },
    /// It is answered.
    Answer(u16),
    /// Another server answers.
    Proxy,
    /// It is not followed.
    NotTold(ConfigPlace),
}

impl Rewriting {
    /// Takes a directive of mod_rewrite.
    pub(super) fn add(&mut self, name: &str, args: &str, place: &ConfigPlace) {
        let given = words(args);
        let at = |index: usize| given.get(index).cloned().unwrap_or_default();
        match name {
            "rewriteengine" => self.is_on = Some(at(0).eq_ignore_ascii_case("on")),
            "rewritecond" => {
                let flags = flags(&at(2));
                let is_or = flags.iter().any(|flag| matches!(flag.as_str(), "or" | "ornext"));
                self.conditions.push(Condition { test: at(0), pattern: at(1), is_or });
            }
            "rewriterule" => {
                let (is_negated, text) = match at(0).strip_prefix('!') {
                    Some(text) => (true, text.to_owned()),
                    None => (false, at(0)),
                };
                let flags = flags(&at(2));
                let regards_case = !flags.iter().any(|flag| matches!(flag.as_str(), "nc" | "nocase"));
                self.rules.push(Rule {
                    pattern: Expression::with_case(&text, regards_case),
                    is_negated,
                    substitution: at(1),
                    flags,
                    conditions: std::mem::take(&mut self.conditions),
                    place: place.clone(),
                });
            }
            _ => self.has_options = true,
        }
    }

    /// The expressions of its rules.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Expression> {
        self.rules.iter().filter(|rule| !rule.is_negated).map(|rule| &rule.pattern)
    }

    /// A section's own rules take the place of those around it; the engine's state is inherited.
    pub(super) fn over(self, base: &Self) -> Self {
        let is_on = self.is_on.or(base.is_on);
        let rules = if self.rules.is_empty() { base.rules.clone() } else { self.rules };
        Self { is_on, rules, ..self }
    }

    /// What a URL becomes. `subject` is what rules are matched against: the URL, or in a section what follows the folder.
    pub(super) fn apply(&self, url: &str, subject: &str, place: Place<'_>, source: &dyn Source) -> Rewritten {
        let (mut url, mut subject) = (url.to_owned(), subject.to_owned());
        let (mut handler, mut variables) = (None, Vec::new());
        if self.is_on != Some(true) {
            return Rewritten::Goes { url, handler, variables };
        }
        for rule in &self.rules {
            let not_told = || Rewritten::NotTold(rule.place.clone());
            let Some(captures) = rule.pattern.captures(&subject) else { return not_told() };
            if captures.is_some() == rule.is_negated {
                continue;
            }
            let held = holds(&rule.conditions, &url, place, source);
            if held == Some(false) {
                continue;
            }
            let has = |short: &str, long: &str| {
                rule.flags
                    .iter()
                    .any(|flag| flag.split('=').next().is_some_and(|name| name == short || name == long))
            };
            let value = |short: &str, long: &str| {
                let mut pairs = rule.flags.iter().filter_map(|flag| flag.split_once('='));
                pairs.find(|(name, _)| *name == short || *name == long).map(|(_, value)| value.to_owned())
            };
            let answer = match () {
                () if has("f", "forbidden") => Some(403),
                () if has("g", "gone") => Some(410),
                () if has("r", "redirect") || is_address(&rule.substitution) => {
                    let given = value("r", "redirect");
                    Some(given.and_then(|word| super::mappings::status(&word)).unwrap_or(302))
                }
                () => None,
            };
            match (answer, held) {
                // Whom it does not send away it leaves as they are.
                (Some(_), None) => continue,
                (Some(answer), Some(_)) => return Rewritten::Answer(answer),
                (None, _) => {}
            }
            if has("p", "proxy") {
                return if held == Some(true) { Rewritten::Proxy } else { not_told() };
            }
            let is_last = has("l", "last") || has("end", "end");
            let sets = rule.flags.iter().filter_map(|flag| {
                let (name, value) = flag.split_once('=')?;
                matches!(name, "e" | "env").then_some(value)
            });
            for set in sets {
                let (name, value) = set.split_once(':').unwrap_or((set, ""));
                let is_plain = held == Some(true) && !value.contains(['$', '%']);
                variables.push((name.to_owned(), is_plain.then(|| value.to_owned())));
            }
            if rule.substitution == "-" {
                let sets = value("h", "handler");
                let jumps = has("c", "chain") || has("s", "skip") || has("n", "next");
                match held {
                    Some(_) if !jumps => handler = sets.or(handler),
                    None if !jumps && sets.is_none() => {}
                    Some(_) | None => return not_told(),
                }
                if is_last && held == Some(true) {
                    break;
                }
                if is_last && self.rules.iter().any(|other| other.substitution != "-") {
                    return not_told();
                }
                continue;
            }
            let Some(captures) = captures.filter(|_| held == Some(true)) else { return not_told() };
            let is_url = match place.is_section {
                true => rule.substitution.starts_with('/'),
                false => has("pt", "passthrough"),
            };
            if !is_url || self.has_options || rule.substitution.contains('%') {
                return not_told();
            }
            let path = rule.substitution.split('?').next().unwrap_or_default();
            url = substitute(path, &captures);
            subject.clone_from(&url);
            if is_last || has("pt", "passthrough") {
                break;
            }
        }
        Rewritten::Goes { url, handler, variables }
    }
}

fn flags(text: &str) -> Vec<String> {
    let inside = text.trim_start_matches('[').trim_end_matches(']');
    let flags = inside.split(',').map(str::trim).filter(|flag| !flag.is_empty());
    // Names are compared without regard to case, values with.
    flags
        .map(|flag| match flag.split_once('=') {
            Some((name, value)) => format!("{}={value}", name.to_ascii_lowercase()),
            None => flag.to_ascii_lowercase(),
        })
        .collect()
}

/// Whether a substitution names a scheme: that redirects.
fn is_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
}

/// Whether all conditions hold; `None` where that depends on the request.
fn holds(conditions: &[Condition], url: &str, place: Place<'_>, source: &dyn Source) -> Option<bool> {
    let (mut all, mut any): (Option<bool>, Option<Option<bool>>) = (Some(true), None);
    for condition in conditions {
        let held = condition.holds(url, place, source);
        let either = match (any.take(), held) {
            (Some(Some(true)), _) | (_, Some(true)) => Some(true),
            (Some(None), _) | (_, None) => None,
            (Some(Some(false)) | None, Some(false)) => Some(false),
        };
        if condition.is_or {
            any = Some(either);
            continue;
        }
        all = match (all, either) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, _) | (_, None) => None,
            (Some(true), Some(true)) => Some(true),
        };
    }
    all
}

impl Condition {
    fn holds(&self, url: &str, place: Place<'_>, source: &dyn Source) -> Option<bool> {
        let (is_negated, pattern) = match self.pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, self.pattern.as_str()),
        };
        let held = match (self.test.as_str(), pattern) {
            (test, "-f" | "-d") => {
                let file = place.named(test, url)?;
                match pattern {
                    "-d" => source.is_folder(&file),
                    _ => source.exists(&file) && !source.is_folder(&file),
                }
            }
            ("%{REQUEST_URI}", pattern) => Expression::new(pattern).is_match(url)?,
            _ => return None,
        };
        Some(held != is_negated)
    }
}
