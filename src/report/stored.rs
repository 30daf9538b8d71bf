//! A stored report, read again.

use super::Document;

/// The text is no report that can be read.
#[derive(Debug, thiserror::Error)]
pub enum NotAReport {
    /// Something else.
    #[error("{name} is no report of wsgiaudit\nhint: wsgiaudit path/to/venv --json report.json writes one")]
    Other {
        /// Where the text is from.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Of a later schema.
    #[error("{name} has schema {schema}, and this wsgiaudit reads schema 1\nhint: use a newer wsgiaudit")]
    Schema {
        /// Where the text is from.
        name: String,
        /// Its schema's number.
        schema: u8,
    },
}

impl Document {
    /// Reads a report's text; `name` says where it is from.
    ///
    /// # Errors
    /// When it is no report, or of another schema than 1.
    pub fn parse(text: &str, name: &str) -> Result<Self, NotAReport> {
        let name = || name.to_owned();
        let document: Self =
            serde_json::from_str(text).map_err(|source| NotAReport::Other { name: name(), source })?;
        match document.schema {
            1 => Ok(document.with_answers()),
            schema => Err(NotAReport::Schema { name: name(), schema }),
        }
    }
}
