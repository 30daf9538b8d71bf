//! What to serve, as it was typed.

use std::path::Path;

use anyhow::{Result, bail};

use super::protocol::WsgiApplication;

const DEFAULT: &str = "application";

impl WsgiApplication {
    /// `module:callable`, `folder/file.py:callable`, `module:create_app()`.
    ///
    /// # Errors
    /// When it is none of these, or the file is not there.
    pub(super) fn parse(text: &str) -> Result<Self> {
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
            bail!("{attribute:?} in {text:?} is no name of a callable\nhint: module:callable");
        }
        let is_file = source.contains('/') || Path::new(source).is_file();
        if is_file {
            let path = std::path::absolute(source)?;
            if !path.is_file() {
                bail!("{} is not there", path.display());
            }
            let source = path.to_string_lossy().into_owned();
            return Ok(Self { source, is_file, attribute: attribute.to_owned(), is_factory });
        }
        if !is_name(source) {
            bail!(
                "{source:?} is neither a file nor a module's name\nhint: module:callable, or ./file.py:callable"
            );
        }
        Ok(Self { source: source.to_owned(), is_file, attribute: attribute.to_owned(), is_factory })
    }
}
