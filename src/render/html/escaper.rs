//! The escaper that all strings in templates pass through.

use std::fmt::{self, Write};

use askama::filters::Html;

use crate::render::escape::escape;

/// Escapes control characters and characters that reorder text, then HTML markup.
#[derive(Clone, Copy, Debug)]
pub struct Escaper;

impl askama::filters::Escaper for Escaper {
    fn write_escaped_str<W: Write>(&self, to: W, text: &str) -> fmt::Result {
        askama::filters::Escaper::write_escaped_str(&Html, to, &escape(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_marks_that_reorder_text_are_shown() {
        let mut shown = String::new();
        let text = "<b>\"x\u{202e}\u{1b}&'";
        let written = askama::filters::Escaper::write_escaped_str(&Escaper, &mut shown, text);
        assert!(written.is_ok());
        assert_eq!(shown, "&#60;b&#62;&#34;x\\u{202e}\\u{1b}&#38;&#39;");
    }
}
