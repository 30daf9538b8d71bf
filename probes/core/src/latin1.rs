//! Latin-1, in which WSGI carries bytes as text (PEP 3333).

/// Encodes a text; `None` if it has other characters than those of latin-1.
pub fn encode_latin1(text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return Some(text.as_bytes().to_vec());
    }
    text.chars().map(|letter| u8::try_from(letter).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::encode_latin1;

    #[test]
    fn a_character_is_one_byte_or_none() {
        assert_eq!(encode_latin1("abc").unwrap(), b"abc");
        assert_eq!(encode_latin1("\u{e9}\u{ff}\u{80}").unwrap(), b"\xe9\xff\x80");
        assert_eq!(encode_latin1("\u{e9}\u{100}"), None);
    }
}
