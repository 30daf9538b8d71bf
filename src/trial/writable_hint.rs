//! Recognizes write errors in a text, and suggests the option that would let a trial write there.

/// Phrases of the C library, SQLite and Python for a failed write.
const PHRASES: [&str; 5] = [
    "Permission denied",
    "Read-only file system",
    "unable to open database file",
    "attempt to write a readonly database",
    "PermissionError",
];

/// Suggests the `--writable` option for a write error in this text, with the folder if the text names a file.
///
/// For example `--writable /var/lib/shop`. Returns `None` if the text reports no write error.
pub fn suggest_writable_option(text: &str) -> Option<String> {
    let said = PHRASES.iter().filter_map(|phrase| text.find(phrase)).min()?;
    // seccomp reports EPERM for network access, which no folder can solve.
    if text[said..].contains("Operation not permitted") && !text.contains("Permission denied") {
        return None;
    }
    let quoted = text[said..].split_once("'/").and_then(|(_, rest)| Some(rest.split_once('\'')?.0));
    let folder = quoted.and_then(|path| path.rsplit_once('/')).map(|(folder, _)| folder);
    Some(match folder.filter(|folder| !folder.is_empty()) {
        Some(folder) => format!("--writable /{folder}"),
        None => "--writable DIR".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_named_where_the_text_names_a_file() {
        for (text, way) in [
            (
                "PermissionError: [Errno 13] Permission denied: '/srv/shop/log/a.txt'",
                Some("--writable /srv/shop/log"),
            ),
            ("OSError: [Errno 30] Read-only file system: '/srv/shop/a'", Some("--writable /srv/shop")),
            ("sqlite3.OperationalError: unable to open database file", Some("--writable DIR")),
            ("OperationalError: attempt to write a readonly database", Some("--writable DIR")),
            ("PermissionError: [Errno 13] Permission denied: 'log'", Some("--writable DIR")),
            ("PermissionError: [Errno 1] Operation not permitted", None),
            ("ValueError: '/srv/shop'", None),
        ] {
            assert_eq!(suggest_writable_option(text).as_deref(), way, "{text}");
        }
    }
}
