//! Parses a stored report.

use super::v1::Document;

/// Size limit of a stored report in bytes. That of an environment with 780 modules has some 5 MB.
pub const MAX_REPORT_SIZE: u64 = 128 << 20;

/// A text could not be parsed as a report.
#[derive(Debug, thiserror::Error)]
pub enum ParseReportError {
    /// It is not a report.
    #[error(
        "{name} is no report of wsgiaudit, or has a value that this version does not know\n\
         hint: wsgiaudit path/to/venv --json report.json writes one"
    )]
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::fixtures::full_report;

    #[test]
    fn what_is_no_report_is_an_error() {
        let document = serde_json::to_value(Document::from(&full_report())).unwrap();
        let mut later = document.clone();
        later["schema"] = json!(2);
        let mut unknown = document.clone();
        unknown["modules"][0]["kind"] = json!("no-such-kind");
        for (text, expected) in [
            (document.to_string(), ""),
            ("[]".to_owned(), "it is no report of wsgiaudit"),
            (unknown.to_string(), "it is no report of wsgiaudit"),
            (later.to_string(), "it has schema 2"),
        ] {
            let error = Document::parse(&text, "it").err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with(expected) && error.is_empty() == expected.is_empty(), "{error}");
        }
        // Answers are computed again, whatever the text says.
        let mut wrong = document.clone();
        wrong["answers"] = json!({"own-gil": "ready"});
        assert_eq!(
            serde_json::to_value(Document::parse(&wrong.to_string(), "it").unwrap()).unwrap(),
            document
        );
    }
}
