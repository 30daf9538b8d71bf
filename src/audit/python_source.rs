//! Formats values as Python source code.

/// Formats a Python string literal.
pub(super) fn python_literal(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        ' '..='~' => letter.to_string(),
        letter => format!("\\U{:08x}", u32::from(letter)),
    });
    format!("\"{}\"", letters.collect::<String>())
}

/// Formats a Python list.
pub(super) fn python_list<T>(items: impl Iterator<Item = T>, write: impl Fn(T) -> String) -> String {
    format!("[{}]", items.map(write).collect::<Vec<_>>().join(", "))
}
