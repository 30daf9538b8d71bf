//! Escapes untrusted names and messages, so that they cannot control a terminal.

use std::borrow::Cow;

/// Writes control characters, and characters that reorder or hide text (Unicode's `Bidi_Control`, zero width,
/// tags), as `\u{..}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            escaped.extend(letter.escape_unicode());
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
}

/// Writes the same characters in a JSON document as `\uXXXX`, which does not change its meaning. Line ends
/// between values are kept.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let is_unescaped = |letter: char| letter != '\n' && is_harmful(letter);
    if !json.chars().any(is_unescaped) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_unescaped(letter) {
            let units = letter
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<String>();
            escaped.push_str(&units);
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
}

/// Escapes a text and truncates the result to `limit` characters.
pub fn escape_and_truncate(text: &str, limit: usize) -> String {
    let escaped = escape(text);
    match escaped.char_indices().nth(limit) {
        None => escaped.into_owned(),
        Some(_) => escaped.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Whether a character can control a terminal, or reorder or hide text.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_untouched() {
        assert!(matches!(escape("scikit-learn → naïve"), Cow::Borrowed(_)));
    }

    #[test]
    fn escape_sequences_and_reordering_are_shown() {
        assert_eq!(escape("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(escape("abc\u{202e}cba"), "abc\\u{202e}cba");
        assert_eq!(escape("two\nlines"), "two\\u{a}lines");
    }

    #[test]
    fn json_stays_the_same_document() {
        let strange = "\u{9b}31m \u{202e} \u{e0041} \u{7f} ë";
        let json = serde_json::to_string_pretty(&[strange]).unwrap_or_default();
        let escaped = escape_json(&json);
        assert_eq!(escaped, "[\n  \"\\u009b31m \\u202e \\udb40\\udc41 \\u007f ë\"\n]");
        assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).ok(), Some(vec![strange.to_owned()]));
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(escape_and_truncate("abcdef", 4), "abc…");
        assert_eq!(escape_and_truncate("abcd", 4), "abcd");
    }
}
