//! Parses a stored report.

use super::Document;

/// A text could not be parsed as a report.
#[derive(Debug, thiserror::Error)]
pub enum ParseReportError {
    /// It is not a report.
    #[error("{name} is no report of wsgiaudit\nhint: wsgiaudit path/to/venv --json report.json writes one")]
    Other {
        /// Where the text is from.
        name: String,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// Its schema is not supported.
    #[error("{name} has schema {schema}, and this wsgiaudit reads schema 1\nhint: use a newer wsgiaudit")]
    Schema {
        /// Where the text is from.
        name: String,
        /// The schema's number.
        schema: u8,
    },
}

impl Document {
    /// Parses the text of a report; `name` says where it is from.
    ///
    /// # Errors
    /// When it is not a report, or its schema is not 1.
    pub fn parse(text: &str, name: &str) -> Result<Self, ParseReportError> {
        let name = || name.to_owned();
        let document: Self =
            serde_json::from_str(text).map_err(|source| ParseReportError::Other { name: name(), source })?;
        match document.schema {
            1 => Ok(document.with_updated_answers()),
            schema => Err(ParseReportError::Schema { name: name(), schema }),
        }
    }
}
