//! The body of a request. It is received before a thread of the application takes the request, so that a slow
//! client keeps no thread.

use std::fs::File;
use std::io::{self, Write};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use wsgiaudit_probes_core::body_pace::BodyPace;
use wsgiaudit_probes_core::error_response::ErrorResponse;
use wsgiaudit_probes_core::host_config::RequestLimits;

use super::log::log_error;

/// A complete request body.
#[derive(Debug)]
pub(super) enum RequestBody {
    /// In memory.
    Memory(Bytes),
    /// In a temporary file that has no name.
    File(File),
}

/// What has arrived of a body.
#[derive(Default)]
struct BodyStorage {
    memory: Vec<u8>,
    file: Option<File>,
}

/// A body that has arrived.
#[derive(Debug)]
pub(super) struct ReceivedBody {
    pub(super) body: RequestBody,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Number of pieces in which it came.
    pub(super) pieces: u64,
}

/// Receives a body.
///
/// # Errors
/// The response, if the client is too slow, sends too much, or breaks off.
pub(super) async fn receive_body(
    mut body: Incoming,
    limits: &RequestLimits,
) -> Result<ReceivedBody, ErrorResponse> {
    let pace = BodyPace::new(limits);
    let (began, mut received, mut pieces) = (Instant::now(), 0_u64, 0_u64);
    let mut storage = BodyStorage::default();
    loop {
        let patience = pace.next_piece(began.elapsed(), received);
        let frame = match tokio::time::timeout(patience, body.frame()).await {
            Err(_) => return Err(ErrorResponse::BodyTooSlow),
            Ok(None) => {
                let body = storage.finish().await?;
                return Ok(ReceivedBody { body, size: received, pieces });
            }
            Ok(Some(Err(_))) => return Err(ErrorResponse::BadRequest("the body is malformed or incomplete")),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else { continue };
        let is_first = received == 0;
        received += piece.len() as u64;
        pieces += 1;
        if received > limits.body_size {
            return Err(ErrorResponse::BodyTooLarge);
        }
        if is_first && body.is_end_stream() && piece.len() <= limits.body_memory {
            return Ok(ReceivedBody { body: RequestBody::Memory(piece), size: received, pieces });
        }
        // Copied, because a small piece would keep the whole buffer that it arrived in.
        storage.memory.extend_from_slice(&piece);
        if storage.memory.len() > limits.body_memory {
            storage.write_file().await?;
        }
    }
}

impl BodyStorage {
    /// Moves what is in memory to the file, on a thread that may block.
    async fn write_file(&mut self) -> Result<(), ErrorResponse> {
        let (memory, file) = (std::mem::take(&mut self.memory), self.file.take());
        let write = move || -> io::Result<File> {
            let mut file = file.map_or_else(tempfile::tempfile, Ok)?;
            file.write_all(&memory)?;
            Ok(file)
        };
        let written =
            tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        match written {
            Ok(file) => self.file = Some(file),
            Err(error) => {
                let folder = std::env::temp_dir();
                log_error(&format!("cannot store a request body in {}: {error}", folder.display()));
                return Err(ErrorResponse::BodyNotStored);
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<RequestBody, ErrorResponse> {
        if self.file.is_some() && !self.memory.is_empty() {
            self.write_file().await?;
        }
        Ok(match self.file {
            Some(file) => RequestBody::File(file),
            None => RequestBody::Memory(self.memory.into()),
        })
    }
}
