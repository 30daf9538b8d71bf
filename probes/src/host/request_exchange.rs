//! The exchange of one request and its response between the HTTP side and a thread of an application group.
//! Every method here may block, so callers must not hold a GIL.

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::http::request::Parts;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use wsgiaudit_probes_core::host_config::ListenerConfig;
use wsgiaudit_probes_core::peer::Peer;
use wsgiaudit_probes_core::request_path::RequestPath;

use crate::lock::lock_ignoring_poison;

/// Number of response chunks that may be buffered for a slow client.
const MAX_BUFFERED_CHUNKS: usize = 4;

/// Maximum number of bytes of an unread request body that are drained.
const MAX_DRAINED: usize = 256 << 10;

/// Block size for reading files.
const BLOCK_SIZE: usize = 128 << 10;

/// A response in hyper's form.
pub(super) type WsgiResponse = hyper::Response<ResponseBody>;

/// A request, and the channel for its response.
pub(super) struct RequestJob {
    /// When it arrived.
    pub(super) began: Instant,
    pub(super) head: Parts,
    pub(super) path: RequestPath,
    pub(super) has_body: bool,
    pub(super) peer: Peer,
    pub(super) listener: std::sync::Arc<ListenerConfig>,
    pub(super) exchange: std::sync::Arc<Exchange>,
    /// Held until the job is done: it counts against the capacity of the group.
    #[expect(dead_code, reason = "held, not read")]
    pub(super) permit: OwnedSemaphorePermit,
}

/// What a thread of an application group does next.
#[expect(clippy::large_enum_variant, reason = "nearly every command is a request, which is moved once")]
pub(super) enum WorkerCommand {
    /// Serve a request.
    Serve(RequestJob),
    /// End.
    Stop,
}

/// The bodies of a request and of its response.
pub(super) struct Exchange {
    runtime: Handle,
    stall: Duration,
    input: Mutex<RequestBody>,
    output: Mutex<ResponseState>,
}

struct RequestBody {
    body: Option<Incoming>,
    /// Bytes that have arrived but are not read yet.
    rest: VecDeque<Bytes>,
    /// Number of bytes that may still arrive.
    left: u64,
}

enum ResponseState {
    /// The response head has not been sent.
    Head(Option<oneshot::Sender<WsgiResponse>>),
    /// The head has been sent.
    Body {
        pieces: mpsc::Sender<Result<Bytes, ResponseAborted>>,
        /// The number of body bytes that may follow, if a Content-Length was declared.
        left: Option<u64>,
    },
    Done,
}

/// The application failed after the head was sent. The connection is cut so that the client notices.
#[derive(Debug, Error)]
#[error("the application failed in the middle of its response")]
pub(super) struct ResponseAborted;

/// Why the application cannot read the rest of a request body.
#[derive(Debug, Error)]
pub(super) enum RequestBodyError {
    #[error("the request body ended early: {0}")]
    Ended(hyper::Error),
    #[error("timeout: the client stopped sending the request body")]
    Stalled,
    #[error("the request body exceeds --max-body")]
    TooLarge,
}

impl Exchange {
    pub(super) fn new(
        runtime: Handle,
        body: Option<Incoming>,
        most: u64,
        stall: Duration,
    ) -> (Self, oneshot::Receiver<WsgiResponse>) {
        let (sender, response) = oneshot::channel();
        let input = Mutex::new(RequestBody { body, rest: VecDeque::new(), left: most });
        (Self { runtime, stall, input, output: Mutex::new(ResponseState::Head(Some(sender))) }, response)
    }

    /// Reads up to `most` bytes of the request body as soon as any are available; empty at the end of the
    /// body.
    ///
    /// # Errors
    /// If the client disconnected, stalled, or sent too much.
    pub(super) fn read_body(&self, most: usize) -> Result<Bytes, RequestBodyError> {
        let mut input = lock_ignoring_poison(&self.input);
        loop {
            if let Some(first) = input.rest.front_mut() {
                let piece = first.split_to(most.min(first.len()));
                if first.is_empty() {
                    input.rest.pop_front();
                }
                return Ok(piece);
            }
            let Some(body) = &mut input.body else { return Ok(Bytes::new()) };
            let frame = self.runtime.block_on(async { tokio::time::timeout(self.stall, body.frame()).await });
            let piece = match frame {
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(None) => {
                    input.body = None;
                    continue;
                }
                Ok(Some(Err(error))) => return Err(RequestBodyError::Ended(error)),
                Err(_) => return Err(RequestBodyError::Stalled),
            };
            let Some(left) = input.left.checked_sub(piece.len() as u64) else {
                return Err(RequestBodyError::TooLarge);
            };
            input.left = left;
            if piece.has_remaining() {
                input.rest.push_back(piece);
            }
        }
    }

    /// Sends a complete response. Returns false if the client has disconnected.
    pub(super) fn send_response(&self, head: hyper::Response<()>, body: Bytes) -> bool {
        let mut output = lock_ignoring_poison(&self.output);
        let ResponseState::Head(sender) = &mut *output else { return false };
        let sender = sender.take();
        *output = ResponseState::Done;
        sender.is_some_and(|sender| sender.send(head.map(|()| ResponseBody::Whole(Some(body)))).is_ok())
    }

    /// Sends the head of a response whose body follows in chunks. Returns false if the client has
    /// disconnected.
    pub(super) fn send_head(&self, head: hyper::Response<()>, length: Option<u64>) -> bool {
        let mut output = lock_ignoring_poison(&self.output);
        let ResponseState::Head(sender) = &mut *output else { return false };
        let sender = sender.take();
        let (pieces, receiver) = mpsc::channel(MAX_BUFFERED_CHUNKS);
        *output = ResponseState::Body { pieces, left: length };
        let content = ResponseBody::Pieces { receiver, left: length };
        sender.is_some_and(|sender| sender.send(head.map(|()| content)).is_ok())
    }

    /// Sends one chunk of the body, waiting for buffer space. Returns false if the client disconnected or
    /// stalled.
    pub(super) fn send_chunk(&self, mut piece: Bytes) -> bool {
        let mut output = lock_ignoring_poison(&self.output);
        let ResponseState::Body { pieces, left } = &mut *output else { return false };
        if let Some(left) = left {
            // PEP 3333: bytes beyond the declared Content-Length must not be sent.
            piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= piece.len() as u64;
        }
        if piece.is_empty() {
            return !pieces.is_closed();
        }
        if let Err(error) = pieces.try_send(Ok(piece)) {
            let mpsc::error::TrySendError::Full(piece) = error else { return false };
            let sent =
                self.runtime.block_on(async { tokio::time::timeout(self.stall, pieces.send(piece)).await });
            return matches!(sent, Ok(Ok(())));
        }
        true
    }

    /// Sends a file from this offset to its end, or up to the declared Content-Length. Returns false if the
    /// client disconnected or stalled.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn send_file(&self, file: &std::fs::File, mut from: u64) -> std::io::Result<bool> {
        while !self.is_complete() {
            let mut block = vec![0; BLOCK_SIZE];
            let length = file.read_at(&mut block, from)?;
            if length == 0 {
                break;
            }
            block.truncate(length);
            from += length as u64;
            if !self.send_chunk(block.into()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the declared Content-Length has been sent completely.
    fn is_complete(&self) -> bool {
        matches!(&*lock_ignoring_poison(&self.output), ResponseState::Body { left: Some(0), .. })
    }

    /// Ends the response. `Err` cuts the connection because the body is incomplete.
    pub(super) fn finish_response(&self, result: Result<(), ResponseAborted>) {
        let ended = std::mem::replace(&mut *lock_ignoring_poison(&self.output), ResponseState::Done);
        let mut input = lock_ignoring_poison(&self.input);
        input.rest.clear();
        if let Some(body) = input.body.take().filter(|body| !body.is_end_stream()) {
            self.runtime.spawn(drain_body(body));
        }
        if let (ResponseState::Body { pieces, .. }, Err(aborted)) = (ended, result) {
            drop(
                self.runtime
                    .block_on(async { tokio::time::timeout(self.stall, pieces.send(Err(aborted))).await }),
            );
        }
    }

    /// Whether the client disconnected before the response started, so that no work is needed.
    pub(super) fn is_abandoned(&self) -> bool {
        let output = lock_ignoring_poison(&self.output);
        matches!(&*output, ResponseState::Head(Some(sender)) if sender.is_closed())
    }
}

/// Reads and discards a small rest of the request body; otherwise the connection could not be reused.
async fn drain_body(mut body: Incoming) {
    let mut left = MAX_DRAINED;
    let drained = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(1), drained).await);
}

/// The body of a response.
pub(super) enum ResponseBody {
    Whole(Option<Bytes>),
    Pieces { receiver: mpsc::Receiver<Result<Bytes, ResponseAborted>>, left: Option<u64> },
}

impl ResponseBody {
    pub(super) fn from_static_text(text: &'static str) -> Self {
        Self::Whole(Some(Bytes::from_static(text.as_bytes())))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseAborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseAborted>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Self::Pieces { receiver, left } => receiver.poll_recv(context).map(|piece| {
                if let (Some(Ok(piece)), Some(left)) = (&piece, left) {
                    *left = left.saturating_sub(piece.len() as u64);
                }
                piece.map(|piece| piece.map(Frame::data))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Pieces { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces { left: Some(left), .. } => SizeHint::with_exact(*left),
            Self::Pieces { left: None, .. } => SizeHint::default(),
        }
    }
}
