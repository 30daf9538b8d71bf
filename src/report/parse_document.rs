//! Parses a stored report.

use serde_json::Value;

use super::v1::Document;

/// A text could not be parsed as a report.
#[derive(Debug, thiserror::Error)]
pub enum ParseReportError {
    /// There is nothing in it.
    #[error("{name} is empty\nhint: {HINT}")]
    Empty {
        /// Where the text is from.
        name: String,
    },
    /// It is not JSON.
    #[error("{name} is no report of wsgiaudit: it is not JSON\nhint: {HINT}")]
    NotJson {
        /// Where the text is from.
        name: String,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// It is another JSON document.
    #[error("{name} is no report of wsgiaudit: {why}\nhint: {HINT}")]
    Other {
        /// Where the text is from.
        name: String,
        /// What it lacks, or is.
        why: &'static str,
    },
    /// A part of it is missing, or has a value that this version does not know.
    #[error(
        "{name} has a part that this version, {}, does not know\n\
         hint: wsgiaudit {version} wrote it: read it with that version or a later one",
        env!("CARGO_PKG_VERSION")
    )]
    Part {
        /// Where the text is from.
        name: String,
        /// The version that wrote the report.
        version: String,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// Its schema is not supported.
    #[error("{name} has schema {schema}, and this wsgiaudit reads schema 1\nhint: use a newer wsgiaudit")]
    Schema {
        /// Where the text is from.
        name: String,
        /// The schema's number.
        schema: u64,
    },
}

const HINT: &str = "`wsgiaudit path/to/venv --json report.json` writes a report";

impl Document {
    /// Parses the text of a report; `name` says where it is from.
    ///
    /// # Errors
    /// When it is not a report, or its schema is not 1.
    pub fn parse(text: &str, name: &str) -> Result<Self, ParseReportError> {
        let name = || name.to_owned();
        if text.trim().is_empty() {
            return Err(ParseReportError::Empty { name: name() });
        }
        // The schema comes first: another one may have any other shape.
        let value: Value = serde_json::from_str(text)
            .map_err(|source| ParseReportError::NotJson { name: name(), source })?;
        let version = || value["tool"]["version"].as_str().unwrap_or("of another version").to_owned();
        match value["schema"].as_u64() {
            Some(1) => {}
            Some(schema) => return Err(ParseReportError::Schema { name: name(), schema }),
            None if value.get("runs").is_some() => {
                let why = "it is SARIF, which holds only a part of one";
                return Err(ParseReportError::Other { name: name(), why });
            }
            None => return Err(ParseReportError::Other { name: name(), why: "it has no schema number" }),
        }
        match serde_json::from_str::<Self>(text) {
            Ok(document) => Ok(document.with_updated_answers()),
            Err(source) => Err(ParseReportError::Part { name: name(), version: version(), source }),
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
            (String::new(), "it is empty"),
            ("half".to_owned(), "it is no report of wsgiaudit: it is not JSON"),
            (r#"{"runs": []}"#.to_owned(), "it is no report of wsgiaudit: it is SARIF"),
            (unknown.to_string(), "it has a part that this version"),
            (later.to_string(), "it has schema 2"),
            (r#"{"schema": 2}"#.to_owned(), "it has schema 2"),
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
