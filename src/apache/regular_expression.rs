//! Regular expressions of a configuration. Apache uses PCRE; patterns that the crate `regex` does not support
//! (look-around, back-references) stay undecided.

use std::collections::BTreeMap;

use regex::bytes::{Captures, Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct RegularExpression {
    /// The pattern as written.
    pub(super) text: String,
    compiled: Option<Regex>,
}

impl PartialEq for RegularExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Largest number of sample texts for one expression; enough for every alternative of common patterns.
const MAX_SAMPLES: usize = 16;
/// Limit of bytes that a repetition adds to a sample: repetitions of repetitions grow exponentially.
const MAX_SAMPLE: usize = 4096;

impl RegularExpression {
    pub(super) fn new(text: &str) -> Self {
        Self::with_case(text, true)
    }

    /// Compiles a pattern, case-sensitive or not.
    pub(super) fn with_case(text: &str, regards_case: bool) -> Self {
        let mut builder = RegexBuilder::new(text);
        builder.unicode(false).dot_matches_new_line(true).case_insensitive(!regards_case);
        Self { text: text.to_owned(), compiled: builder.size_limit(1 << 20).build().ok() }
    }

    /// Returns the syntax error of a pattern that PCRE rejects too.
    pub(super) fn syntax_error(&self) -> Option<String> {
        use regex_syntax::ast::ErrorKind;
        let error = regex_syntax::ast::parse::Parser::new().parse(&self.text).err()?;
        let is_wrong = matches!(
            error.kind(),
            ErrorKind::GroupUnclosed
                | ErrorKind::GroupUnopened
                | ErrorKind::ClassUnclosed
                | ErrorKind::RepetitionMissing
                | ErrorKind::EscapeUnexpectedEof
        );
        is_wrong.then(|| error.kind().to_string())
    }

    /// Whether the expression matches anywhere in a text; `None` if the pattern is not supported.
    pub(super) fn is_match(&self, text: &str) -> Option<bool> {
        Some(self.compiled.as_ref()?.is_match(text.as_bytes()))
    }

    /// Returns the captures of the first match; the outer `None` if the pattern is not supported.
    #[expect(clippy::option_option, reason = "not understood is another thing than no match")]
    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Option<Captures<'t>>> {
        Some(self.compiled.as_ref()?.captures(text.as_bytes()))
    }

    /// Returns a few short texts that the expression matches.
    pub(super) fn sample_matches(&self) -> Vec<String> {
        self.sample_matches_with(&BTreeMap::new())
    }

    /// Returns texts that the expression matches, with these texts for its groups.
    pub(super) fn sample_matches_with(&self, groups: &BTreeMap<u32, String>) -> Vec<String> {
        let parser = ParserBuilder::new().utf8(false).unicode(false).build().parse(&self.text);
        let Ok(parsed) = parser else { return Vec::new() };
        let found = sample_hir(&parsed, groups).into_iter().filter_map(|bytes| String::from_utf8(bytes).ok());
        found.filter(|text| self.is_match(text) == Some(true)).collect()
    }

    /// Whether the expression is a choice of literal prefixes, so that the rest of a URL does not matter.
    pub(super) fn is_prefix_choice(&self) -> bool {
        let Some(anchored) = self.text.strip_prefix('^') else { return false };
        let tails = ["(/.*)?$", "(/|$)", "(/.*|$)", ".*$", "(.*)$", "(.*)", ".*", "/"];
        let plain = tails.iter().find_map(|tail| anchored.strip_suffix(tail)).unwrap_or(anchored);
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/_-|()".contains(letter);
        plain.chars().all(is_plain)
    }
}

/// Returns what `$1` and the like stand for in a path that was built from a template.
pub(super) fn extract_groups(template: &str, path: &str) -> Option<BTreeMap<u32, String>> {
    let mut parts = template.split('$');
    let mut text = format!("^{}", regex::escape(parts.next()?));
    let mut numbers = Vec::new();
    for part in parts {
        let number = part.chars().next()?.to_digit(10)?;
        numbers.push(number);
        text.push_str("(.+)");
        text.push_str(&regex::escape(part.get(1..)?));
    }
    let captures = regex::Regex::new(&format!("{text}$")).ok()?.captures(path)?;
    let found = captures.iter().skip(1).map(|found| found.map(|found| found.as_str().to_owned()));
    numbers.into_iter().zip(found).map(|(number, text)| Some((number, text?))).collect()
}

/// Replaces `$1` and the like as httpd's `ap_pregsub` does.
pub(super) fn substitute_captures(template: &str, captures: &Captures<'_>) -> String {
    let group = |index: usize| {
        let found = captures.get(index).map(|found| found.as_bytes()).unwrap_or_default();
        String::from_utf8_lossy(found).into_owned()
    };
    let (mut text, mut letters) = (String::new(), template.chars().peekable());
    while let Some(letter) = letters.next() {
        let digit = letters.peek().and_then(|next| next.to_digit(10));
        match (letter, digit) {
            ('$', Some(digit)) => {
                letters.next();
                text.push_str(&group(usize::try_from(digit).unwrap_or_default()));
            }
            ('\\', _) if letters.peek().is_some_and(|next| matches!(next, '$' | '&')) => {
                text.extend(letters.next());
            }
            _ => text.push(letter),
        }
    }
    text
}

fn sample_hir(hir: &Hir, groups: &BTreeMap<u32, String>) -> Vec<Vec<u8>> {
    let mut found = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![Vec::new()],
        HirKind::Literal(literal) => vec![literal.0.to_vec()],
        HirKind::Class(class) => vec![vec![sample_byte(class)]],
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            let times = repetition.min.max(1).min(most).min(32) as usize;
            let mut all: Vec<Vec<u8>> = sample_hir(&repetition.sub, groups)
                .into_iter()
                .map(|one| one.repeat(times.min(MAX_SAMPLE / one.len().max(1))))
                .collect();
            if repetition.min == 0 {
                all.insert(0, Vec::new());
            }
            all
        }
        HirKind::Capture(capture) => match groups.get(&capture.index) {
            Some(text) => vec![text.clone().into_bytes()],
            None => sample_hir(&capture.sub, groups),
        },
        HirKind::Concat(parts) => parts.iter().fold(vec![Vec::new()], |before, part| {
            let after = sample_hir(part, groups);
            let joined =
                before.iter().flat_map(|start| after.iter().map(|end| [&start[..], &end[..]].concat()));
            joined.take(MAX_SAMPLES).collect()
        }),
        HirKind::Alternation(parts) => parts.iter().flat_map(|part| sample_hir(part, groups)).collect(),
    };
    found.truncate(MAX_SAMPLES);
    found
}

/// Returns a byte of a character class, preferably `x`.
fn sample_byte(class: &Class) -> u8 {
    let ranges: Vec<(u8, u8)> = match class {
        Class::Bytes(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        Class::Unicode(class) => {
            let ascii = class.iter().filter(|range| range.start().is_ascii());
            ascii.map(|range| (range.start() as u8, u8::try_from(range.end()).unwrap_or(b'~'))).collect()
        }
    };
    let is_in = |letter: &u8| ranges.iter().any(|(start, end)| (start..=end).contains(&letter));
    let usual = (b'x'..=b'z').chain(b'a'..=b'w').chain(b'A'..=b'Z').chain(b'0'..=b'9').chain(b'!'..=b'~');
    usual.into_iter().find(is_in).or_else(|| ranges.first().map(|(start, _)| *start)).unwrap_or(b'x')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_match() {
        for (text, expected) in [
            ("^/(admin|staff)(/|$)", vec!["/admin/", "/admin", "/staff/", "/staff"]),
            ("^/app/([^/]+)", vec!["/app/x"]),
            (r"\.wsgi$", vec![".wsgi"]),
            ("^/v[0-9]{2}", vec!["/v00"]),
            ("(?=x)", vec![]),
        ] {
            assert_eq!(RegularExpression::new(text).sample_matches(), expected, "{text}");
        }
        assert_eq!(RegularExpression::new("(?=x)").is_match("x"), None);
    }

    #[test]
    fn groups_are_put_in() {
        let expression = RegularExpression::new("^/([a-z]+)/(.*)");
        let captures = expression.captures("/shop/cart").unwrap().unwrap();
        assert_eq!(substitute_captures("/srv/$1.wsgi/$2$9\\$1", &captures), "/srv/shop.wsgi/cart$1");
    }

    #[test]
    fn a_path_tells_what_groups_matched() {
        let groups = extract_groups("/srv/$1/$2.wsgi", "/srv/shop/app.wsgi").unwrap();
        assert_eq!(groups, BTreeMap::from([(1, "shop".to_owned()), (2, "app".to_owned())]));
        assert_eq!(extract_groups("/srv/$1.wsgi", "/srv/readme.txt"), None);
        assert_eq!(
            RegularExpression::new("^/a/([a-z]+)/(.*)$").sample_matches_with(&groups),
            ["/a/shop/app"]
        );
    }

    #[test]
    fn a_choice_of_prefixes_is_known() {
        for (text, is) in [("^/(a|b)", true), ("^/a(/|$)", true), ("^/a/[0-9]+", false), ("/a", false)] {
            assert_eq!(RegularExpression::new(text).is_prefix_choice(), is, "{text}");
        }
    }
}
