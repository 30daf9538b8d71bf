//! Requests in the document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Mode;
use crate::report::{self, RequestRow};

/// A request, and what it was answered. How long that took is in the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// E.g. `GET`.
    pub method: String,
    /// Path and query as they were typed, with the variables of the file; `{{name}}` for a value that an answer gives.
    pub target: String,
    /// The status line in the main interpreter, e.g. `200 OK`; `null` where it gave no answer.
    pub status: Option<String>,
    /// Bytes of the body there; `null` where they are not the same in two processes.
    pub bytes: Option<u64>,
    /// SHA-256 of the body there, in hexadecimal; `null` where it is not the same in two processes: then the status alone was
    /// compared. So it was where the answer depends on those before, and trials write to folders (`--writable`).
    pub sha256: Option<String>,
    /// What became of it in each other mode.
    pub modes: BTreeMap<Mode, RequestInMode>,
}

/// What became of a request in a mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestInMode {
    /// `same`: answered as in the main interpreter; `differs`; `raised`: the application raised an exception;
    /// `nothing-captured`: an answer did not hold the value that a request wants; `not-known`: the trial ended before it was
    /// told, or did not take place.
    pub result: String,
    /// The status line, where it differs and there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// How long the application took for each request of a list, in the main interpreter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestTimes {
    /// Which of the document's `exercises` it is, from 0.
    pub exercise: usize,
    /// In milliseconds, in the order of its requests; `null` where there was no answer.
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
    /// Those of each list of requests.
    pub fn of(report: &report::Report) -> Vec<Self> {
        let lists = report.exercises.iter().enumerate().filter(|(_, row)| !row.requests.is_empty());
        let times = lists.map(|(exercise, row)| {
            let milliseconds = row.requests.iter().map(|request| Some(request.main.as_ref()?.milliseconds));
            Self { exercise, milliseconds: milliseconds.collect() }
        });
        times.collect()
    }
}
