//! mod_rewrite (httpd 2.4), as far as the configuration alone decides: redirects, errors, requests left
//! unchanged, and requests passed on under another URL. Everything else stays undecided.

use std::path::{Path, PathBuf};

use super::ConfigurationSource;
use super::lexer::split_words;
use super::regular_expression::{RegularExpression, substitute_captures};
use crate::model::ConfigLocation;

/// Limit of bytes of a URL: each rule can double it.
const MAX_URL: usize = 64 << 10;

/// The mod_rewrite configuration of a server or section.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RewriteConfiguration {
    /// `RewriteEngine`.
    pub(super) is_on: Option<bool>,
    pub(super) rules: Vec<RewriteRule>,
    /// Conditions read before their rule.
    conditions: Vec<RewriteCondition>,
    /// Whether `RewriteOptions`, `RewriteBase` or `RewriteMap` is used: substitutions are then undecided.
    pub(super) has_options: bool,
}

/// `RewriteRule`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RewriteRule {
    pattern: RegularExpression,
    is_negated: bool,
    substitution: String,
    flags: Vec<String>,
    conditions: Vec<RewriteCondition>,
    pub(super) place: ConfigLocation,
}

/// `RewriteCond`.
#[derive(Clone, Debug, PartialEq)]
struct RewriteCondition {
    test: String,
    pattern: String,
    is_or: bool,
}

/// The request and the kind of context that rules are applied in.
#[derive(Clone, Copy, Debug)]
pub(super) struct RewriteContext<'a> {
    /// `DocumentRoot`, for rules of a server.
    pub(super) root: Option<&'a Path>,
    /// The file of the request, for rules of a section.
    pub(super) file: &'a Path,
    pub(super) is_section: bool,
}

impl RewriteContext<'_> {
    /// Returns the file that a condition tests. Rules of a server run before the URL is translated; there
    /// `REQUEST_FILENAME` is the URL.
    fn find_tested_file(&self, test: &str, url: &str) -> Option<PathBuf> {
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

/// The effect of the rules on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RewriteResult {
    /// Processing continues with this URL.
    Goes { url: String, handler: Option<String>, variables: Vec<(String, Option<String>)> },
    /// Apache answers with this status.
    Answer(u16),
    /// Another server answers.
    Proxy,
    /// Undecided; the rule's line.
    NotTold(ConfigLocation),
}

impl RewriteConfiguration {
    /// Adds a directive of mod_rewrite.
    pub(super) fn add_directive(&mut self, name: &str, args: &str, place: &ConfigLocation) {
        let given = split_words(args);
        let at = |index: usize| given.get(index).cloned().unwrap_or_default();
        match name {
            "rewriteengine" => self.is_on = Some(at(0).eq_ignore_ascii_case("on")),
            "rewritecond" => {
                let flags = parse_flags(&at(2));
                let is_or = flags.iter().any(|flag| matches!(flag.as_str(), "or" | "ornext"));
                self.conditions.push(RewriteCondition { test: at(0), pattern: at(1), is_or });
            }
            "rewriterule" => {
                let (is_negated, text) = match at(0).strip_prefix('!') {
                    Some(text) => (true, text.to_owned()),
                    None => (false, at(0)),
                };
                let flags = parse_flags(&at(2));
                let regards_case = !flags.iter().any(|flag| matches!(flag.as_str(), "nc" | "nocase"));
                self.rules.push(RewriteRule {
                    pattern: RegularExpression::with_case(&text, regards_case),
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

    /// Returns the patterns of its rules, except negated ones.
    pub(super) fn rule_patterns(&self) -> impl Iterator<Item = &RegularExpression> {
        self.rules.iter().filter(|rule| !rule.is_negated).map(|rule| &rule.pattern)
    }

    /// Merges with the enclosing configuration: a section's own rules replace the outer ones, the engine's
    /// state is inherited.
    pub(super) fn merge_over(self, base: &Self) -> Self {
        let is_on = self.is_on.or(base.is_on);
        let rules = if self.rules.is_empty() { base.rules.clone() } else { self.rules };
        Self { is_on, rules, ..self }
    }

    /// Applies the rules to a URL. `subject` is the text that patterns match: the URL, or the path relative
    /// to the folder for rules of a section.
    pub(super) fn apply_rules(
        &self,
        url: &str,
        subject: &str,
        context: RewriteContext<'_>,
        source: &dyn ConfigurationSource,
    ) -> RewriteResult {
        let (mut url, mut subject) = (url.to_owned(), subject.to_owned());
        let (mut handler, mut variables) = (None, Vec::new());
        if self.is_on != Some(true) {
            return RewriteResult::Goes { url, handler, variables };
        }
        for rule in &self.rules {
            let not_told = || RewriteResult::NotTold(rule.place.clone());
            let Some(captures) = rule.pattern.captures(&subject) else { return not_told() };
            if captures.is_some() == rule.is_negated {
                continue;
            }
            let satisfied = evaluate_conditions(&rule.conditions, &url, context, source);
            if satisfied == Some(false) {
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
                () if has("r", "redirect") || is_absolute_url(&rule.substitution) => {
                    let given = value("r", "redirect");
                    Some(given.and_then(|word| super::url_mappings::parse_status(&word)).unwrap_or(302))
                }
                () => None,
            };
            match (answer, satisfied) {
                // Requests that the rule does not redirect or reject stay unchanged: continue with those.
                (Some(_), None) => continue,
                (Some(answer), Some(_)) => return RewriteResult::Answer(answer),
                (None, _) => {}
            }
            if has("p", "proxy") {
                return if satisfied == Some(true) { RewriteResult::Proxy } else { not_told() };
            }
            let is_last = has("l", "last") || has("end", "end");
            let sets = rule.flags.iter().filter_map(|flag| {
                let (name, value) = flag.split_once('=')?;
                matches!(name, "e" | "env").then_some(value)
            });
            for set in sets {
                let (name, value) = set.split_once(':').unwrap_or((set, ""));
                let is_plain = satisfied == Some(true) && !value.contains(['$', '%']);
                variables.push((name.to_owned(), is_plain.then(|| value.to_owned())));
            }
            if rule.substitution == "-" {
                let sets = value("h", "handler");
                let jumps = has("c", "chain") || has("s", "skip") || has("n", "next");
                match satisfied {
                    Some(_) if !jumps => handler = sets.or(handler),
                    None if !jumps && sets.is_none() => {}
                    Some(_) | None => return not_told(),
                }
                if is_last && satisfied == Some(true) {
                    break;
                }
                if is_last && self.rules.iter().any(|other| other.substitution != "-") {
                    return not_told();
                }
                continue;
            }
            let Some(captures) = captures.filter(|_| satisfied == Some(true)) else { return not_told() };
            let is_url = match context.is_section {
                true => rule.substitution.starts_with('/'),
                false => has("pt", "passthrough"),
            };
            if !is_url || self.has_options || rule.substitution.contains('%') {
                return not_told();
            }
            let path = rule.substitution.split('?').next().unwrap_or_default();
            url = substitute_captures(path, &captures);
            if url.len() > MAX_URL {
                return not_told();
            }
            subject.clone_from(&url);
            if is_last || has("pt", "passthrough") {
                break;
            }
        }
        RewriteResult::Goes { url, handler, variables }
    }
}

fn parse_flags(text: &str) -> Vec<String> {
    let inside = text.trim_start_matches('[').trim_end_matches(']');
    let flags = inside.split(',').map(str::trim).filter(|flag| !flag.is_empty());
    // Flag names are case-insensitive, values are not.
    flags
        .map(|flag| match flag.split_once('=') {
            Some((name, value)) => format!("{}={value}", name.to_ascii_lowercase()),
            None => flag.to_ascii_lowercase(),
        })
        .collect()
}

/// Whether a substitution is an absolute URL, which makes the rule a redirect.
fn is_absolute_url(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
}

/// Evaluates the conditions of a rule; `None` if the result depends on the request.
fn evaluate_conditions(
    conditions: &[RewriteCondition],
    url: &str,
    context: RewriteContext<'_>,
    source: &dyn ConfigurationSource,
) -> Option<bool> {
    let (mut all, mut any): (Option<bool>, Option<Option<bool>>) = (Some(true), None);
    for condition in conditions {
        let held = condition.evaluate_condition(url, context, source);
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

impl RewriteCondition {
    fn evaluate_condition(
        &self,
        url: &str,
        context: RewriteContext<'_>,
        source: &dyn ConfigurationSource,
    ) -> Option<bool> {
        let (is_negated, pattern) = match self.pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, self.pattern.as_str()),
        };
        let held = match (self.test.as_str(), pattern) {
            (test, "-f" | "-d") => {
                let file = context.find_tested_file(test, url)?;
                match pattern {
                    "-d" => source.is_folder(&file),
                    _ => source.exists(&file) && !source.is_folder(&file),
                }
            }
            ("%{REQUEST_URI}", pattern) => RegularExpression::new(pattern).is_match(url)?,
            _ => return None,
        };
        Some(held != is_negated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apache::test_files::files;

    /// Applies lines of a server or a section to a request for `/shop/x`.
    fn apply(lines: &str, is_section: bool) -> String {
        let place = ConfigLocation { file: "x".into(), line: 1 };
        let mut rewriting = RewriteConfiguration::default();
        for line in lines.lines() {
            let (name, args) = line.split_once(' ').unwrap();
            rewriting.add_directive(&name.to_ascii_lowercase(), args, &place);
        }
        let source = files(&[("/srv/shop/x", ""), ("/srv/shop/index", "")]);
        let root = Some(Path::new("/srv")).filter(|_| !is_section);
        let context = RewriteContext { root, file: Path::new("/srv/shop/x"), is_section };
        let subject = if is_section { "x" } else { "/shop/x" };
        match rewriting.apply_rules("/shop/x", subject, context, &source) {
            RewriteResult::Goes { url, handler, variables } => {
                let variables = variables
                    .into_iter()
                    .map(|(name, value)| format!(" {name}={}", value.unwrap_or_else(|| "?".to_owned())));
                format!("{url} {}{}", handler.unwrap_or_default(), variables.collect::<String>())
            }
            RewriteResult::Answer(status) => status.to_string(),
            RewriteResult::Proxy => "proxy".to_owned(),
            RewriteResult::NotTold(_) => "not told".to_owned(),
        }
    }

    #[test]
    fn rules_of_a_server_are_applied_as_far_as_they_are_certain() {
        for (lines, expected) in [
            ("RewriteRule . - [F]", "403"),
            ("RewriteRule . - [forbidden]", "403"),
            ("RewriteRule . - [G]", "410"),
            ("RewriteRule . /y [R]", "302"),
            ("RewriteRule . /y [R=301,L]", "301"),
            ("RewriteRule . /y [R=permanent]", "301"),
            ("RewriteRule . http://x/y", "302"),
            ("RewriteRule . https://x/y", "302"),
            ("RewriteRule ^/other - [F]", "/shop/x "),
            ("RewriteRule !^/other - [F]", "403"),
            ("RewriteRule !^/shop - [F]", "/shop/x "),
            ("RewriteRule ^/SHOP - [F]", "/shop/x "),
            ("RewriteRule ^/SHOP - [F,NC]", "403"),
            ("RewriteRule (?=x) - [F]", "not told"),
            ("RewriteRule . http://x/$0 [P]", "302"),
            ("RewriteRule . /y [P]", "proxy"),
            ("RewriteRule . - [E=A:b]", "/shop/x  A=b"),
            ("RewriteRule . - [E=A:$0]", "/shop/x  A=?"),
            ("RewriteRule . - [E=A]", "/shop/x  A="),
            ("RewriteRule . - [H=wsgi-script]", "/shop/x wsgi-script"),
            ("RewriteRule . - [H=Wsgi,E=A:b]", "/shop/x Wsgi A=b"),
            ("RewriteRule . - [C]", "not told"),
            ("RewriteRule . - [S=1]", "not told"),
            ("RewriteRule ^/shop/(.*) /y/$1 [PT]", "/y/x "),
            ("RewriteRule ^/shop/(.*) /y/$1?q=1 [PT]", "/y/x "),
            ("RewriteRule . /y/%1 [PT]", "not told"),
            ("RewriteRule . /y", "not told"),
            ("RewriteOptions x\nRewriteRule . /y [PT]", "not told"),
            ("RewriteRule . - [L]\nRewriteRule . - [F]", "/shop/x "),
            ("RewriteRule . - [END]\nRewriteRule . - [F]", "/shop/x "),
            ("RewriteRule . - \nRewriteRule . - [F]", "403"),
            ("RewriteRule . /y [PT]\nRewriteRule . - [F]", "/y "),
            ("RewriteEngine off\nRewriteRule . - [F]", "/shop/x "),
        ] {
            assert_eq!(apply(&format!("RewriteEngine On\n{lines}"), false), expected, "{lines}");
        }
        assert_eq!(apply("RewriteRule . - [F]", false), "/shop/x ");
    }

    #[test]
    fn conditions_are_evaluated_as_far_as_they_are_certain() {
        let of_file = "%{DOCUMENT_ROOT}%{REQUEST_URI}";
        for (lines, expected) in [
            (format!("RewriteCond {of_file} -f\nRewriteRule . - [F]"), "403"),
            (format!("RewriteCond {of_file} !-f\nRewriteRule . - [F]"), "/shop/x "),
            (format!("RewriteCond {of_file} -d\nRewriteRule . - [F]"), "/shop/x "),
            (format!("RewriteCond {of_file} !-d\nRewriteRule . - [F]"), "403"),
            ("RewriteCond %{REQUEST_FILENAME} -f\nRewriteRule . - [F]".to_owned(), "/shop/x "),
            ("RewriteCond %{REQUEST_URI} ^/shop\nRewriteRule . - [F]".to_owned(), "403"),
            ("RewriteCond %{REQUEST_URI} !^/shop\nRewriteRule . - [F]".to_owned(), "/shop/x "),
            // A condition on the client: some requests are not answered by the rule.
            ("RewriteCond %{HTTPS} off\nRewriteRule . - [F]".to_owned(), "/shop/x "),
            ("RewriteCond %{HTTPS} off\nRewriteRule . /y [PT]".to_owned(), "not told"),
            ("RewriteCond %{HTTPS} off\nRewriteRule . /y [P]".to_owned(), "not told"),
            ("RewriteCond %{HTTPS} off\nRewriteRule . - [E=A:b]".to_owned(), "/shop/x  A=?"),
            ("RewriteCond %{HTTPS} off\nRewriteRule . - [H=x]".to_owned(), "not told"),
            ("RewriteCond %{HTTPS} off\nRewriteRule . - [L]\nRewriteRule . /y [PT]".to_owned(), "not told"),
            ("RewriteCond %{HTTPS} off\nRewriteRule . - [L]\nRewriteRule . - [F]".to_owned(), "403"),
            (
                "RewriteCond %{HTTPS} off [OR]\nRewriteCond %{REQUEST_URI} ^/shop\nRewriteRule . - [F]".to_owned(),
                "403",
            ),
            (
                "RewriteCond %{REQUEST_URI} ^/no [OR]\nRewriteCond %{REQUEST_URI} ^/shop\nRewriteRule . /y [PT]"
                    .to_owned(),
                "/y ",
            ),
            (
                "RewriteCond %{REQUEST_URI} ^/no [OR]\nRewriteCond %{HTTPS} on\nRewriteRule . /y [PT]".to_owned(),
                "not told",
            ),
            (
                "RewriteCond %{HTTPS} on\nRewriteCond %{REQUEST_URI} ^/no\nRewriteRule . /y [PT]".to_owned(),
                "/shop/x ",
            ),
            (
                "RewriteCond %{HTTPS} on\nRewriteCond %{REQUEST_URI} ^/shop\nRewriteRule . /y [PT]".to_owned(),
                "not told",
            ),
        ] {
            assert_eq!(apply(&format!("RewriteEngine On\n{lines}"), false), expected, "{lines}");
        }
    }

    #[test]
    fn rules_of_a_section_see_the_file() {
        for (lines, expected) in [
            ("RewriteRule ^x$ /y", "/y "),
            ("RewriteRule ^/shop - [F]", "/shop/x "),
            ("RewriteRule ^x$ y", "not told"),
            ("RewriteCond %{REQUEST_FILENAME} -f\nRewriteRule . - [F]", "403"),
            ("RewriteCond %{SCRIPT_FILENAME} !-f\nRewriteRule . - [F]", "/shop/x "),
            ("RewriteCond %{DOCUMENT_ROOT}%{REQUEST_URI} -f\nRewriteRule . /y", "not told"),
        ] {
            assert_eq!(apply(&format!("RewriteEngine On\n{lines}"), true), expected, "{lines}");
        }
    }

    #[test]
    fn a_section_replaces_outer_rules_if_it_has_any() {
        let of = |lines: &[&str]| {
            let mut rewriting = RewriteConfiguration::default();
            let place = ConfigLocation { file: "x".into(), line: 1 };
            for line in lines {
                let (name, args) = line.split_once(' ').unwrap();
                rewriting.add_directive(name, args, &place);
            }
            rewriting
        };
        let outer = of(&["rewriteengine on", "rewriterule ^a -", "rewriterule !^b -"]);
        let patterns = |rewriting: &RewriteConfiguration| {
            rewriting.rule_patterns().map(|pattern| pattern.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(patterns(&outer), ["^a"]);
        let inherited = of(&["rewriteengine off"]).merge_over(&outer);
        assert_eq!((inherited.is_on, patterns(&inherited)), (Some(false), vec!["^a".to_owned()]));
        let own = of(&["rewriterule ^c -"]).merge_over(&outer);
        assert_eq!((own.is_on, patterns(&own)), (Some(true), vec!["^c".to_owned()]));
    }
}
