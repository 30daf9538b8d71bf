//! Renders the requests of an exercise with their answers.

use std::fmt::Write as _;

use super::escape::escape_and_truncate;
use crate::model::Mode;
use crate::report::v1::{Document, Exercise, Request, RequestResult};

/// Maximum number of requests shown. The rest is counted.
const MAX_REQUESTS: usize = 20;

/// Number of hexadecimal digits of a SHA-256 that are shown.
const DIGEST_LENGTH: usize = 12;

/// A request and its answer in the main interpreter, as texts for a row of a table.
#[derive(Debug)]
pub(super) struct RequestView {
    /// `GET /path`.
    pub(super) request: String,
    /// `200 OK`.
    pub(super) status: String,
    /// `1234 bytes`; empty if it is not known.
    pub(super) size: String,
    /// `3.2 ms`; empty if it is not known.
    pub(super) time: String,
    /// `SHA-256 0123456789ab`, or a note that the body differs each time. Empty if there was no answer.
    pub(super) digest: String,
    /// Differences in other modes.
    pub(super) others: String,
}

impl RequestView {
    /// Describes each request of the exercise with this index.
    pub(super) fn for_exercise(document: &Document, index: usize, exercise: &Exercise) -> Vec<Self> {
        let times = document.header.as_ref().map(|header| header.requests.as_slice()).unwrap_or_default();
        let times = times.iter().find(|times| times.exercise == index);
        let time = |number: usize| times.and_then(|times| *times.milliseconds.get(number)?);
        let lines = exercise.requests.iter().enumerate();
        lines.map(|(number, request)| Self::new(request, time(number))).collect()
    }

    /// Size, time and digest, as far as they are known, in one text.
    pub(super) fn details(&self) -> String {
        let all = [self.size.as_str(), self.time.as_str(), self.digest.as_str()];
        all.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn new(request: &Request, milliseconds: Option<f64>) -> Self {
        let digest = match (&request.sha256, &request.status) {
            (Some(digest), _) => {
                format!("SHA-256 {}", digest.chars().take(DIGEST_LENGTH).collect::<String>())
            }
            (None, Some(_)) => "body differs each time".to_owned(),
            (None, None) => String::new(),
        };
        let differ = request
            .modes
            .iter()
            .filter(|(mode, each)| **mode != Mode::Main && each.result != RequestResult::Same);
        let differ = differ.map(|(mode, each)| {
            let what = each.result.name().replace('-', " ");
            let status =
                each.status.as_deref().map(|status| format!(": {}", escape_and_truncate(status, 40)));
            format!("{mode} {what}{}", status.unwrap_or_default())
        });
        Self {
            request: escape_and_truncate(&format!("{} {}", request.method, request.target), 60),
            status: request
                .status
                .as_deref()
                .map_or_else(|| "no answer".to_owned(), |text| escape_and_truncate(text, 30)),
            size: request.bytes.map(|bytes| format!("{bytes} bytes")).unwrap_or_default(),
            time: milliseconds.map(|time| format!("{time:.1} ms")).unwrap_or_default(),
            digest,
            others: differ.collect::<Vec<_>>().join(", "),
        }
    }
}

/// Renders the requests of an exercise for a terminal.
pub(super) fn render_requests(document: &Document, index: usize, exercise: &Exercise) -> String {
    let all = RequestView::for_exercise(document, index, exercise);
    if all.is_empty() {
        return String::new();
    }
    let mut text = "  answers in the main interpreter, and what differs elsewhere:\n".to_owned();
    let width = |of: fn(&RequestView) -> &str| {
        all.iter().take(MAX_REQUESTS).map(|line| of(line).chars().count()).max().unwrap_or(0)
    };
    let (request, status) = (width(|line| &line.request), width(|line| &line.status));
    let (size, time) = (width(|line| &line.size), width(|line| &line.time));
    for line in all.iter().take(MAX_REQUESTS) {
        let row = format!(
            "    {:request$}  {:status$}  {:>size$}  {:>time$}  {}",
            line.request, line.status, line.size, line.time, line.digest
        );
        let _ = writeln!(text, "{}", row.trim_end());
        if !line.others.is_empty() {
            let _ = writeln!(text, "      {}", line.others);
        }
    }
    if all.len() > MAX_REQUESTS {
        let _ = writeln!(text, "    and {} more: see --format json", all.len() - MAX_REQUESTS);
    }
    text
}
