//! Requests in the document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Mode;
use crate::report::{self, RequestRow};

/// A request and the replies to it. How long they took is in the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// E.g. `GET`.
    pub method: String,
    /// Path and query as written, with the variables of the file; `{{name}}` for a value that is captured
    /// from a reply.
    pub target: String,
    /// The status line in the main interpreter, e.g. `200 OK`; `null` if there was no reply.
    pub status: Option<String>,
    /// The size of the body there, in bytes; `null` if it differs between two processes.
    pub bytes: Option<u64>,
    /// The SHA-256 of the body there, in hexadecimal; `null` if it differs between two processes: then only
    /// the status was compared. The same holds if the reply depends on earlier requests, and trials write to
    /// folders (`--writable`).
    pub sha256: Option<String>,
    /// Its result in each other mode.
    pub modes: BTreeMap<Mode, RequestInMode>,
}

/// The result of a request in one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestInMode {
    /// `same`: answered as in the main interpreter; `differs`; `raised`: the application raised an exception;
    /// `nothing-captured`: a reply did not contain the value that a request needs; `not-known`: the trial
    /// ended before the result was recorded, or did not take place.
    pub result: String,
    /// The status line, if it differs and there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// How long the application took for each request of a list, in the main interpreter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestTimes {
    /// The index in the document's `exercises`, from 0.
    pub exercise: usize,
    /// The times in milliseconds, in the order of its requests; `null` if there was no reply.
    pub milliseconds: Vec<Option<f64>>,
}

impl From<&RequestRow> for Request {
    fn from(row: &RequestRow) -> Self {
        let main = row.main.as_ref();
        let modes = row.modes.iter().map(|(mode, reply)| {
            let (result, status) = (reply.result.name().to_owned(), reply.status.clone());
            (*mode, RequestInMode { result, status })
        });
        Self {
            method: row.method.clone(),
            target: row.target.clone(),
            status: main.map(|main| main.status.clone()),
            bytes: main.and_then(|main| main.bytes),
            sha256: main.and_then(|main| main.sha256.clone()),
            modes: modes.collect(),
        }
    }
}

impl RequestTimes {
    /// Creates the times of each list of requests.
    pub fn from_report(report: &report::Report) -> Vec<Self> {
        let lists = report.exercises.iter().enumerate().filter(|(_, row)| !row.requests.is_empty());
        let times = lists.map(|(exercise, row)| {
            let milliseconds = row.requests.iter().map(|request| Some(request.main.as_ref()?.milliseconds));
            Self { exercise, milliseconds: milliseconds.collect() }
        });
        times.collect()
    }
}
