//! Writes words and comments of Apache's configuration language.

use crate::render::escape::escape_and_truncate;

/// Escapes untrusted text for one line of a comment. A trailing backslash is removed, as it would continue
/// the comment.
pub(super) fn escape_comment(text: &str) -> String {
    escape_and_truncate(text, 300).replace('\n', " ").trim_end_matches('\\').to_owned()
}

/// Quotes a word (httpd 2.4, `ap_getword_conf`: a backslash escapes a quote or a backslash).
pub(super) fn quote_word(text: &str) -> String {
    format!("\"{}\"", escape_and_truncate(text, 4096).replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes a word, quoted if necessary.
pub(super) fn format_word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./|:%{},+@".contains(letter);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => quote_word(text),
    }
}

/// Writes `name=value`, the value quoted if necessary.
pub(super) fn format_option(name: &str, value: &str) -> String {
    format!("{name}={}", format_word(value))
}

/// Renders a block that turns the own GIL of one interpreter on or off.
pub(super) fn render_interpreter_block(process: &str, application: &str, own_gil: bool) -> String {
    let flag = if own_gil { "On" } else { "Off" };
    render_interpreter_options(process, application, &[format!("WSGIPerInterpreterGIL {flag}")])
}

/// Renders a block of directives for one interpreter.
pub(super) fn render_interpreter_options(process: &str, application: &str, lines: &[String]) -> String {
    let selector = |name: &str, value: &str| {
        let plain = format_option(name, value);
        // The whole selector must be one word.
        if plain.contains('"') { quote_word(&format!("{name}={value}")) } else { plain }
    };
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    format!(
        "<WSGIInterpreterOptions {} {}>\n{lines}</WSGIInterpreterOptions>\n",
        selector("process-group", process),
        selector("application-group", application)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_where_it_is_no_word() {
        assert_eq!(format_option("home", "/srv/a-b_c.d"), "home=/srv/a-b_c.d");
        assert_eq!(format_option("home", "/srv/a b"), "home=\"/srv/a b\"");
        assert_eq!(format_option("home", ""), "home=\"\"");
        assert_eq!(format_option("home", "a\"\\"), "home=\"a\\\"\\\\\"");
        let block = render_interpreter_block("a b", "c", false);
        assert!(
            block.starts_with("<WSGIInterpreterOptions \"process-group=a b\" application-group=c>\n"),
            "{block}"
        );
    }

    #[test]
    fn a_comment_stays_on_its_line() {
        assert_eq!(escape_comment("a\nb\\"), "a\\u{a}b");
    }
}
