//! How text is drawn on a terminal: its width, characters and colors.

/// The terminal that a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// Width in columns.
    pub width: usize,
    /// Whether to use ANSI colors.
    pub is_colored: bool,
    /// Whether to use ASCII characters only.
    pub is_ascii: bool,
}

impl TextStyle {
    /// Without colors.
    pub fn plain(width: usize) -> Self {
        Self { width, is_colored: false, is_ascii: false }
    }
}

/// Replaces each character outside of ASCII.
pub fn to_ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '─' => plain.push('-'),
            '…' => plain.push_str("..."),
            '→' => plain.push_str("->"),
            letter if letter.is_ascii() => plain.push(letter),
            letter => plain.extend(letter.escape_unicode()),
        }
    }
    plain
}

/// Wraps lines that are wider than `width` columns, between words. What goes on stands below the text of its first
/// line, further in. A word that is too wide for a line of its own, such as a path, is not broken.
pub fn wrap_lines(text: &str, width: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    for line in text.lines() {
        push_wrapped(&mut wrapped, line, width);
    }
    wrapped
}

/// Appends a line, wrapped.
fn push_wrapped(text: &mut String, line: &str, width: usize) {
    let indent = line.len() - line.trim_start_matches(' ').len();
    if textwrap::core::display_width(line) <= width || indent >= width {
        text.push_str(line);
        text.push('\n');
        return;
    }
    let first = " ".repeat(indent);
    let further = " ".repeat(indent + 2);
    let options = textwrap::Options::new(width)
        .initial_indent(&first)
        .subsequent_indent(&further)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    for part in textwrap::wrap(line.trim_start_matches(' '), options) {
        text.push_str(&part);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_between_words_below_themselves() {
        let text = "short\n  an indented line of several words\na/very/long/path/that/has/no/space\n\n";
        let expected =
            "short\n  an indented\n    line of\n    several words\na/very/long/path/that/has/no/space\n\n";
        assert_eq!(wrap_lines(text, 17), expected);
        assert_eq!(wrap_lines(text, 200), text);
        assert_eq!(wrap_lines("    too narrow", 3), "    too narrow\n");
    }

    #[test]
    fn nothing_but_ascii_is_left() {
        assert_eq!(to_ascii("── a → b… é\n"), "-- a -> b... \\u{e9}\n");
    }
}
