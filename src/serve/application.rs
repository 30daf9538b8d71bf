//! Parses the name of the application on the command line.

use std::path::Path;

use anyhow::{Result, bail};
use wsgiaudit_probes_core::host_config::WsgiApplication;

const DEFAULT: &str = "application";

/// Parses `module:callable`, `folder/file.py:callable`, or a factory: `module:create_app()`.
///
/// # Errors
/// If the text has none of these forms, or the file does not exist.
pub(super) fn parse_application(text: &str) -> Result<WsgiApplication> {
    let (source, attribute) = match text.rsplit_once(':') {
        Some((source, attribute)) => (source, attribute),
        None => (text, DEFAULT),
    };
    let (attribute, is_factory) = match attribute.strip_suffix("()") {
        Some(attribute) => (attribute, true),
        None => (attribute, false),
    };
    let is_name = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with(|letter: char| letter.is_ascii_digit())
                && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        })
    };
    if !is_name(attribute) {
        bail!("{attribute:?} in {text:?} is not the name of a callable\nhint: module:callable");
    }
    let is_file = source.contains('/') || Path::new(source).is_file();
    if is_file {
        let path = std::path::absolute(source)?;
        if !path.is_file() {
            bail!("{} does not exist", path.display());
        }
        let source = path.to_string_lossy().into_owned();
        return Ok(WsgiApplication { source, is_file, attribute: attribute.to_owned(), is_factory });
    }
    if !is_name(source) {
        bail!(
            "{source:?} is neither a file nor the name of a module\nhint: module:callable, or ./file.py:callable"
        );
    }
    Ok(WsgiApplication { source: source.to_owned(), is_file, attribute: attribute.to_owned(), is_factory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_applications() {
        for (text, expected) in [
            ("shop", Some(("shop", "application", false))),
            ("shop.wsgi:app", Some(("shop.wsgi", "app", false))),
            ("shop:sites.app", Some(("shop", "sites.app", false))),
            ("shop:create_app()", Some(("shop", "create_app", true))),
            ("shop:1app", None),
            ("shop:", None),
            ("shop:a-b", None),
            ("/nowhere/wsgi.py:app", None),
        ] {
            let parsed = parse_application(text).ok();
            let found =
                parsed.as_ref().map(|app| (app.source.as_str(), app.attribute.as_str(), app.is_factory));
            assert_eq!(found, expected, "{text}");
        }
    }
}
