//! Words and comments of Apache's configuration language.

use crate::render::escape::escape_within;

/// Text from strangers, on one line of a comment that Apache does not continue.
pub(super) fn comment(text: &str) -> String {
    escape_within(text, 300).replace('\n', " ").trim_end_matches('\\').to_owned()
}

/// A word in quotes (httpd 2.4, `ap_getword_conf`: a backslash keeps a quote or a backslash).
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", escape_within(text, 4096).replace('\\', "\\\\").replace('"', "\\\""))
}

/// A word, in quotes where it would not be one without.
pub(super) fn word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./|:%{},+@".contains(letter);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// `name=value`.
pub(super) fn option(name: &str, value: &str) -> String {
    format!("{name}={}", word(value))
}

/// A block that turns own GILs on or off for one interpreter.
pub(super) fn interpreter_block(process: &str, application: &str, own_gil: bool) -> String {
    let selector = |name: &str, value: &str| {
        let plain = option(name, value);
        // The whole selector is one word here.
        if plain.contains('"') { quoted(&format!("{name}={value}")) } else { plain }
    };
    let flag = if own_gil { "On" } else { "Off" };
    format!(
        "<WSGIInterpreterOptions {} {}>\n    WSGIPerInterpreterGIL {flag}\n</WSGIInterpreterOptions>\n",
        selector("process-group", process),
        selector("application-group", application)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_where_it_is_no_word() {
        assert_eq!(option("home", "/srv/a-b_c.d"), "home=/srv/a-b_c.d");
        assert_eq!(option("home", "/srv/a b"), "home=\"/srv/a b\"");
        assert_eq!(option("home", ""), "home=\"\"");
        assert_eq!(option("home", "a\"\\"), "home=\"a\\\"\\\\\"");
        let block = interpreter_block("a b", "c", false);
        assert!(
            block.starts_with("<WSGIInterpreterOptions \"process-group=a b\" application-group=c>\n"),
            "{block}"
        );
    }

    #[test]
    fn a_comment_stays_on_its_line() {
        assert_eq!(comment("a\nb\\"), "a\\u{a}b");
    }
}
