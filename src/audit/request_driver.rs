//! Writes the Python module that sends requests to an application and compares the replies.

use std::fmt::Write as _;
use std::path::Path;

use super::python_source::{python_list, python_literal};
use super::request_list::RequestList;
use super::resolved_application::ResolvedApplication;
use crate::app::{BodyPart, HttpRequest, JsonPathStep, TemplatePart, TextTemplate, ValueSource};
use crate::model::Reply;

const DRIVER: &str =
    concat!(include_str!("lines_run.py"), include_str!("round.py"), include_str!("requests.py"));

/// The expected reply to a request.
#[derive(Clone, Debug)]
pub(super) struct ExpectedReply {
    /// The status lines that it may have. Only their codes are compared.
    statuses: Vec<String>,
    /// The digest of its body; `None` if that is not compared.
    pub(super) sha256: Option<String>,
    /// A description of the reply.
    words: String,
}

impl ExpectedReply {
    /// Expects the same reply; only its status if `is_whole` is false.
    pub(super) fn from_reply(reply: &Reply, is_whole: bool) -> Self {
        let (status, bytes, begins) = (&reply.status, reply.bytes, &reply.begins);
        Self {
            statuses: vec![status.clone()],
            sha256: is_whole.then(|| reply.sha256.clone()),
            words: if is_whole { format!("{status}, {bytes} bytes: {begins}") } else { status.clone() },
        }
    }

    /// Expects the status of one of two replies.
    pub(super) fn status_of_either(&self, other: &Self) -> Self {
        let mut statuses = self.statuses.clone();
        statuses.extend(other.statuses.iter().filter(|status| !self.statuses.contains(status)).cloned());
        let words = statuses.join(" or ");
        Self { statuses, sha256: None, words }
    }
}

/// Returns the source code of a Python module that sends the requests and compares the replies.
pub(super) fn request_driver_source(
    application: &ResolvedApplication,
    package: &Path,
    list: &RequestList,
    expected: Option<&[Vec<ExpectedReply>; 2]>,
) -> String {
    let mut text = format!(
        "MODULE = {}\nCALLABLE = {}\nFOLDERS = [{}]\nREQUESTS = [\n",
        python_literal(&application.module),
        python_literal(&application.callable),
        python_literal(&package.to_string_lossy())
    );
    for request in &list.requests {
        let headers = python_list(request.headers.iter(), |(name, value)| {
            format!("({}, {})", python_literal(name), python_pieces(value))
        });
        let body = python_list(request.body.iter(), |part| match part {
            BodyPart::Text(text) => format!("(\"text\", {})", python_pieces(text)),
            BodyPart::File { path, .. } => format!("(\"file\", \"body-{}\")", list.body_file_index(path)),
        });
        let captures = python_list(request.captures.iter(), |each| {
            format!("({}, {}, {})", python_literal(&each.name), python_literal(&each.pattern), each.line)
        });
        let _ = writeln!(
            text,
            "    ({}, {}, {}, {}, {headers}, {body}, {}, {captures}),",
            python_literal(&describe_request(request)),
            python_literal(&request.method),
            python_literal(request.scheme),
            python_pieces(&request.target),
            if request.has_cookies { "True" } else { "False" },
        );
    }
    let needed = list.requests.iter().flat_map(HttpRequest::templates).flat_map(TextTemplate::values);
    let needed = needed.filter_map(|value| match &value.source {
        ValueSource::Header(index, _) | ValueSource::Body(index, _) => Some(index.to_string()),
        ValueSource::Capture(_) | ValueSource::Variable(_) => None,
    });
    let _ = write!(text, "]\nNEEDED = {}\nEXPECTED = ", python_list(needed, |index| index));
    match expected {
        None => text.push_str("None"),
        Some(rounds) => {
            let each = |each: &ExpectedReply| {
                let sha256 = each.sha256.as_deref().map_or_else(|| "None".to_owned(), python_literal);
                let codes = python_list(each.statuses.iter(), |status| {
                    python_literal(status.get(..3).unwrap_or(status))
                });
                format!("({codes}, {sha256}, {})", python_literal(&each.words))
            };
            text.push_str(&python_list(rounds.iter(), |round| python_list(round.iter(), each)));
        }
    }
    text + "\n\n" + DRIVER
}

fn describe_request(request: &HttpRequest) -> String {
    format!("{} {}", request.method, request.target)
}

/// Formats a text with placeholders as the Python list that the driver reads.
fn python_pieces(text: &TextTemplate) -> String {
    python_list(text.0.iter(), |piece| match piece {
        TemplatePart::Plain(text) => python_literal(text),
        TemplatePart::Value(value) => {
            let (kind, place) = match &value.source {
                ValueSource::Capture(name) => ("captured", python_literal(name)),
                ValueSource::Header(index, name) => ("header", format!("{index}, {}", python_literal(name))),
                ValueSource::Body(index, None) => ("body", format!("{index}, None")),
                ValueSource::Body(index, Some(steps)) => {
                    let step = |step: &JsonPathStep| match step {
                        JsonPathStep::Key(key) => python_literal(key),
                        JsonPathStep::Index(index) => index.to_string(),
                    };
                    ("body", format!("{index}, {}", python_list(steps.iter(), step)))
                }
                ValueSource::Variable(name) => ("variable", python_literal(name)),
            };
            format!("(\"{kind}\", {}, {place})", python_literal(&value.typed))
        }
    })
}
