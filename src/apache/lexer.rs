//! Lexer for Apache's configuration language (httpd 2.4, `server/util.c`: `ap_cfg_getline`,
//! `ap_getword_conf`, `ap_resolve_env`).

/// Returns the logical lines, trimmed, each with the number of its last physical line as httpd counts. A
/// trailing backslash continues a line, even a comment.
pub(super) fn logical_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut physical = text.lines().enumerate();
    std::iter::from_fn(move || {
        let mut line = String::new();
        let mut last = None;
        for (index, part) in physical.by_ref() {
            last = Some(index + 1);
            match part.strip_suffix('\\') {
                Some(part) => line.push_str(part),
                None => {
                    line.push_str(part);
                    break;
                }
            }
        }
        last.map(|number| (number, line.trim().to_owned()))
    })
}

/// Splits off the first word. A word may be quoted; within quotes, a backslash escapes a quote or a
/// backslash.
pub(super) fn split_word(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''));
    let mut word = String::new();
    let mut letters = text.char_indices().skip(usize::from(quote.is_some())).peekable();
    while let Some((index, letter)) = letters.next() {
        let is_end = match quote {
            Some(quote) => letter == quote,
            None => letter.is_ascii_whitespace(),
        };
        if is_end {
            let rest = text.get(index + letter.len_utf8()..).unwrap_or_default();
            return (word, rest.trim_start());
        }
        let next = letters.peek().map(|(_, next)| *next);
        if letter == '\\' && next.is_some_and(|next| next == '\\' || Some(next) == quote) {
            word.extend(letters.next().map(|(_, next)| next));
        } else {
            word.push(letter);
        }
    }
    (word, "")
}

/// Splits a text into words.
pub(super) fn split_words(mut text: &str) -> Vec<String> {
    let mut all = Vec::new();
    while !text.trim_start().is_empty() {
        let (first, rest) = split_word(text);
        all.push(first);
        text = rest;
    }
    all
}

/// Limit of bytes of a line, after variables and parameters of macros are replaced. Values that contain each
/// other grow exponentially.
pub(super) const MAX_LINE: usize = 1 << 20;

/// Substitutes `${NAME}`. Undefined variables stay as they are, and their names are returned. Returns nothing if
/// the result would be longer than [`MAX_LINE`].
pub(super) fn substitute_variables(
    line: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Option<(String, Vec<String>)> {
    let (mut text, mut rest, mut missing) = (String::new(), line, Vec::new());
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        if text.len() > MAX_LINE {
            return None;
        }
        let Some((name, tail)) = after.split_once('}') else {
            text.push_str("${");
            rest = after;
            continue;
        };
        match value(name) {
            Some(value) => text.push_str(&value),
            None => {
                text.push_str(&format!("${{{name}}}"));
                missing.push(name.to_owned());
            }
        }
        rest = tail;
    }
    text.push_str(rest);
    (text.len() <= MAX_LINE).then_some((text, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_continues_a_line_and_a_comment() {
        let all: Vec<(usize, String)> = logical_lines("  A b \\\n  c\n# no\\\nB\n\nC").collect();
        let expected = [(2, "A b   c"), (4, "# noB"), (5, ""), (6, "C")];
        assert_eq!(all, expected.map(|(number, line)| (number, line.to_owned())));
    }

    #[test]
    fn words_may_be_quoted() {
        assert_eq!(split_words(r#"a "b \"c\" \\d" 'e "f' g\h"#), ["a", r#"b "c" \d"#, r#"e "f"#, r"g\h"]);
        assert_eq!(split_words("  "), Vec::<String>::new());
        assert_eq!(split_words("\"open"), ["open"]);
        assert_eq!(split_words("\"\" x"), ["", "x"]);
        assert_eq!(split_word("é \u{a0}x"), ("é".to_owned(), "\u{a0}x".trim_start()));
    }

    #[test]
    fn variables_are_resolved_once() {
        let value = |name: &str| (name == "A").then(|| "${B}".to_owned());
        assert_eq!(
            substitute_variables("x${A}y${C}${", value),
            Some(("x${B}y${C}${".to_owned(), vec!["C".to_owned()]))
        );
        assert_eq!(substitute_variables(&"${A}".repeat(MAX_LINE / 2), value), None);
        assert_eq!(substitute_variables(&"x".repeat(MAX_LINE + 1), value), None);
    }
}
