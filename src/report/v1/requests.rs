//! Requests in the document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Mode, ReplyKind};

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
    /// How the reply compares with that in the main interpreter.
    pub result: RequestResult,
    /// The status line, if it differs and there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// How a request in one mode compares with the main interpreter. Ordered by how much it shows, so `max` of
/// several is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestResult {
    /// It was answered as in the main interpreter.
    Same,
    /// The trial ended before the result was recorded, or did not take place.
    NotKnown,
    /// The reply differs, or its status is 5xx.
    Differs,
    /// A value that it needs, or that a later request needs from its reply, could not be captured.
    NothingCaptured,
    /// The application raised an exception.
    Raised,
}

/// How long the application took for each request of a list, in the main interpreter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestTimes {
    /// The index in the document's `exercises`, from 0.
    pub exercise: usize,
    /// The times in milliseconds, in the order of its requests; `null` if there was no reply.
    pub milliseconds: Vec<Option<f64>>,
}

impl RequestResult {
    /// Every result.
    pub const ALL: [Self; 5] =
        [Self::Same, Self::NotKnown, Self::Differs, Self::NothingCaptured, Self::Raised];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::NotKnown => "not-known",
            Self::Differs => "differs",
            Self::NothingCaptured => "nothing-captured",
            Self::Raised => "raised",
        }
    }

    /// What a reply of this kind shows.
    pub fn from_reply_kind(end: ReplyKind) -> Self {
        match end {
            ReplyKind::Answered => Self::Same,
            ReplyKind::NothingCaptured => Self::NothingCaptured,
            ReplyKind::Differs | ReplyKind::Failed => Self::Differs,
            ReplyKind::Raised => Self::Raised,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_json_are_names_in_tables() {
        for result in RequestResult::ALL {
            assert_eq!(serde_json::to_value(result).unwrap(), result.name());
        }
    }
}
