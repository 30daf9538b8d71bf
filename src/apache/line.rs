//! Lines and words of Apache's configuration language (httpd 2.4, `server/util.c`: `ap_cfg_getline`,
//! `ap_getword_conf`, `ap_resolve_env`).

/// Logical lines with the number of their last physical one, as Apache counts: a backslash at the end continues a
/// line, comments too; white space around is taken off.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, String)> {
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

/// The first word, and what follows it. A word may stand in quotes, in which a backslash keeps a quote or a backslash.
pub(super) fn word(text: &str) -> (String, &str) {
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

/// All words.
pub(super) fn words(mut text: &str) -> Vec<String> {
    let mut all = Vec::new();
    while !text.trim_start().is_empty() {
        let (first, rest) = word(text);
        all.push(first);
        text = rest;
    }
    all
}

/// Puts variables in their places. One that is not defined stays as it is, and is returned too.
pub(super) fn resolve(line: &str, value: impl Fn(&str) -> Option<String>) -> (String, Vec<String>) {
    let (mut text, mut rest, mut missing) = (String::new(), line, Vec::new());
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
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
    (text, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_continues_a_line_and_a_comment() {
        let all: Vec<(usize, String)> = lines("  A b \\\n  c\n# no\\\nB\n\nC").collect();
        let expected = [(2, "A b   c"), (4, "# noB"), (5, ""), (6, "C")];
        assert_eq!(all, expected.map(|(number, line)| (number, line.to_owned())));
    }

    #[test]
    fn words_may_be_quoted() {
        assert_eq!(words(r#"a "b \"c\" \\d" 'e "f' g\h"#), ["a", r#"b "c" \d"#, r#"e "f"#, r"g\h"]);
        assert_eq!(words("  "), Vec::<String>::new());
        assert_eq!(words("\"open"), ["open"]);
        assert_eq!(words("\"\" x"), ["", "x"]);
        assert_eq!(word("é \u{a0}x"), ("é".to_owned(), "\u{a0}x".trim_start()));
    }

    #[test]
    fn variables_are_resolved_once() {
        let value = |name: &str| (name == "A").then(|| "${B}".to_owned());
        assert_eq!(resolve("x${A}y${C}${", value), ("x${B}y${C}${".to_owned(), vec!["C".to_owned()]));
    }
}
