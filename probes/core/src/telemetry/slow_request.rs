//! A slow request, and its response.

use std::sync::Arc;
use std::time::Duration;

use super::request_trace::RequestTrace;

/// A slow request, at one moment.
#[derive(Clone, Debug)]
pub struct SlowRequest {
    /// What was measured.
    pub trace: Arc<RequestTrace>,
    /// How long it has taken.
    pub duration: Duration,
    /// Its response, once that is complete.
    pub response: Option<SlowResponse>,
}

/// The response to a slow request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowResponse {
    /// Its status.
    pub status: u16,
    /// Bytes of its body.
    pub bytes: u64,
    /// Pieces in which they were sent.
    pub pieces: u64,
    /// Requests that the process was handling at its end, this one included.
    pub active: u64,
}
