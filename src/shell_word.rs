//! Quotes words for a POSIX shell, for commands that the program suggests.

/// Quotes a word if it needs it: `/srv/app` stays, `/srv/my app` becomes `'/srv/my app'`.
pub fn quote_shell_word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+=,".contains(letter);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_the_shell_is_one_word() {
        assert_eq!(quote_shell_word("/srv/a-b.wsgi"), "/srv/a-b.wsgi");
        assert_eq!(quote_shell_word("/srv/it's $HOME"), r"'/srv/it'\''s $HOME'");
        assert_eq!(quote_shell_word(""), "''");
    }
}
