//! The text of a configuration file being edited. Lines keep their original numbers. Pure functions.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use super::apache_syntax::format_option;

/// A file's text and the lines to insert.
#[derive(Clone, Debug)]
pub(super) struct FileEdit {
    /// The original lines with their line ends.
    lines: Vec<String>,
    before: BTreeMap<usize, Vec<String>>,
    after: BTreeMap<usize, Vec<String>>,
}

/// Directives with options for process group and application group.
const DIRECTIVES_WITH_GROUPS: [&str; 3] = ["wsgiscriptalias", "wsgiscriptaliasmatch", "wsgihandlerscript"];

impl FileEdit {
    pub(super) fn new(text: &str) -> Self {
        let lines = text.split_inclusive('\n').map(str::to_owned).collect();
        Self { lines, before: BTreeMap::new(), after: BTreeMap::new() }
    }

    /// Returns the edited text.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (index, line) in self.lines.iter().enumerate() {
            let number = index + 1;
            text.extend(self.before.get(&number).into_iter().flatten().map(String::as_str));
            text.push_str(line);
            if let Some(put_in) = self.after.get(&number) {
                if !line.ends_with('\n') {
                    text.push('\n');
                }
                text.extend(put_in.iter().map(String::as_str));
            }
        }
        text
    }

    /// Sets options of the directive in a line (numbered from 1).
    ///
    /// # Errors
    /// A message if the line is not a directive that takes these options, or spans several lines.
    pub(super) fn set_options(&mut self, number: usize, options: &[(&str, &str)]) -> Result<(), String> {
        let is_continued = number > 1
            && self
                .lines
                .get(number - 2)
                .is_some_and(|before| before.trim_end_matches(['\r', '\n']).ends_with('\\'));
        let Some(line) = self.lines.get_mut(number.wrapping_sub(1)).filter(|_| !is_continued) else {
            return Err("the directive spans several lines".to_owned());
        };
        let name = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if !DIRECTIVES_WITH_GROUPS.contains(&name.as_str()) {
            return Err("the directive that serves it takes no groups".to_owned());
        }
        for (name, value) in options {
            let option = format_option(name, value);
            match find_option_span(line, name) {
                Some(span) => line.replace_range(span, &option),
                None => {
                    let end = line.trim_end().len();
                    line.insert_str(end, &format!(" {option}"));
                }
            }
        }
        Ok(())
    }

    /// Inserts lines before a line (numbered from 1).
    pub(super) fn insert_before(&mut self, number: usize, text: String) {
        self.before.entry(number).or_default().push(text);
    }

    /// Inserts lines after a line (numbered from 1).
    pub(super) fn insert_after(&mut self, number: usize, text: String) {
        self.after.entry(number).or_default().push(text);
    }

    /// Returns the lines of the outermost section around a line, or the line alone if there is none.
    pub(super) fn outermost_section(&self, number: usize) -> RangeInclusive<usize> {
        let (mut depth, mut first) = (0_usize, number);
        for (index, line) in self.lines.iter().enumerate() {
            let (line, here) = (line.trim_start(), index + 1);
            if line.starts_with("</") {
                depth = depth.saturating_sub(1);
                if depth == 0 && here >= number {
                    return first..=here;
                }
            } else if line.starts_with('<') {
                if depth == 0 && here < number {
                    first = here;
                }
                depth += 1;
            }
            if here == number && depth == 0 {
                break;
            }
        }
        number..=number
    }
}

/// Returns the range of an option in a line. Its value may be quoted.
fn find_option_span(line: &str, name: &str) -> Option<Range<usize>> {
    let mut start = None;
    let mut quote = None;
    let is_it = |word: &str| word.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    for (at, letter) in line.char_indices().chain(std::iter::once((line.len(), '\n'))) {
        match (start, quote) {
            (Some(_), Some(open)) if letter == open => quote = None,
            (Some(_), Some(_)) => {}
            (Some(from), None) if letter.is_ascii_whitespace() => {
                if is_it(line.get(from..at).unwrap_or_default()) {
                    return Some(from..at);
                }
                start = None;
            }
            (_, None) if !letter.is_ascii_whitespace() => {
                start.get_or_insert(at);
                quote = Some(letter).filter(|letter| ['"', '\''].contains(letter));
            }
            (None, _) | (Some(_), None) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Listen 80\n<VirtualHost *:80>\n    <Directory /srv>\n    </Directory>\n    \
                        WSGIScriptAlias / \"/srv/a b.wsgi\" process-group=old threads\r\n</VirtualHost>\nWSGIScriptAlias /x /x.wsgi";

    #[test]
    fn an_option_is_replaced_or_added() {
        let mut edit = FileEdit::new(TEXT);
        let groups = [("process-group", "own-gil"), ("application-group", "%{GLOBAL}")];
        assert_eq!(edit.set_options(5, &groups), Ok(()));
        assert_eq!(edit.set_options(7, &groups), Ok(()));
        let text = edit.to_text();
        let expected = "    WSGIScriptAlias / \"/srv/a b.wsgi\" process-group=own-gil threads application-group=%{GLOBAL}\r\n";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.ends_with("WSGIScriptAlias /x /x.wsgi process-group=own-gil application-group=%{GLOBAL}"),
            "{text}"
        );
        assert!(edit.set_options(1, &groups).is_err_and(|why| why.contains("takes no groups")));
        assert!(edit.set_options(99, &groups).is_err());
        let mut continued = FileEdit::new("WSGIScriptAlias / \\\n  /x.wsgi\n");
        assert!(continued.set_options(2, &groups).is_err_and(|why| why.contains("several lines")));
    }

    #[test]
    fn an_option_is_found_behind_quotes() {
        let line = "WSGIScriptAlias / \"/process-group=x y\" process-group=\"a b\" z=1";
        let span = find_option_span(line, "process-group").unwrap_or_default();
        assert_eq!(line.get(span), Some("process-group=\"a b\""));
        assert_eq!(find_option_span(line, "group"), None);
        assert_eq!(find_option_span("A z=1", "z").map(|span| span.end), Some(5));
    }

    #[test]
    fn lines_go_around_the_outermost_section() {
        let mut edit = FileEdit::new(TEXT);
        assert_eq!(edit.outermost_section(5), 2..=6);
        assert_eq!(edit.outermost_section(3), 2..=6);
        assert_eq!(edit.outermost_section(1), 1..=1);
        assert_eq!(edit.outermost_section(7), 7..=7);
        edit.insert_before(2, "A\n".to_owned());
        edit.insert_after(7, "Z\n".to_owned());
        let text = edit.to_text();
        assert!(text.starts_with("Listen 80\nA\n<VirtualHost"), "{text}");
        assert!(text.ends_with("/x.wsgi\nZ\n"), "{text}");
    }
}
