//! The exchange of one request and its response between the HTTP side and a thread of an application group.
//! Every method here may block, so callers must not hold a GIL.

use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::http::request::Parts;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use wsgiaudit_probes_core::host_config::ListenerConfig;
use wsgiaudit_probes_core::peer::Peer;
use wsgiaudit_probes_core::request_path::RequestPath;
use wsgiaudit_probes_core::response_head::is_bodiless;
use wsgiaudit_probes_core::telemetry::request_trace::RequestTrace;

use super::request_body::RequestBody;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Number of response chunks that may be buffered for a slow client.
const MAX_BUFFERED_CHUNKS: usize = 4;

/// Block size for reading files.
const BLOCK_SIZE: usize = 128 << 10;

/// States of a request that a thread has taken: it runs, it runs and is late, or it has ended.
const RUNNING: u8 = 0;
const LATE: u8 = 1;
const ENDED: u8 = 2;

/// A response in hyper's form.
pub(super) type WsgiResponse = hyper::Response<ResponseBody>;

/// A request, and the channel for its response.
pub(super) struct RequestJob {
    /// When it had arrived.
    pub(super) queued: Instant,
    pub(super) head: Parts,
    pub(super) path: RequestPath,
    /// The prefix of the path that is `SCRIPT_NAME`.
    pub(super) mount: String,
    pub(super) peer: Peer,
    pub(super) listener: Arc<ListenerConfig>,
    pub(super) exchange: Arc<Exchange>,
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
    body: RequestBody,
    /// Whether the request asked for the head only.
    is_head: bool,
    /// Number of bytes that were read of a body in a file.
    position: Mutex<u64>,
    taken: Notify,
    run: AtomicU8,
    output: Mutex<ResponseState>,
    /// What telemetry measures, if it is sent.
    trace: Option<Arc<RequestTrace>>,
}

enum ResponseState {
    /// The response head has not been sent.
    Head(Option<oneshot::Sender<WsgiResponse>>),
    /// The head has been sent.
    Body {
        pieces: mpsc::Sender<Result<Bytes, ResponseAborted>>,
        /// The number of body bytes that may follow, if a Content-Length was declared.
        left: Option<u64>,
        /// Whether HTTP allows no body, so that it is discarded.
        is_bodiless: bool,
    },
    Done,
}

/// The application failed after the head was sent. The connection is cut so that the client notices.
#[derive(Debug, Error)]
#[error("the application failed in the middle of its response")]
pub(super) struct ResponseAborted;

impl Exchange {
    pub(super) fn new(
        runtime: Handle,
        body: RequestBody,
        is_head: bool,
        stall: Duration,
        trace: Option<Arc<RequestTrace>>,
    ) -> (Self, oneshot::Receiver<WsgiResponse>) {
        let (sender, response) = oneshot::channel();
        let output = Mutex::new(ResponseState::Head(Some(sender)));
        let exchange = Self {
            runtime,
            stall,
            body,
            is_head,
            position: Mutex::new(0),
            taken: Notify::new(),
            run: AtomicU8::new(RUNNING),
            output,
            trace,
        };
        (exchange, response)
    }

    /// The body of the request.
    pub(super) fn body(&self) -> &RequestBody {
        &self.body
    }

    /// What telemetry measures, if it is sent.
    pub(super) fn trace(&self) -> Option<&Arc<RequestTrace>> {
        self.trace.as_ref()
    }

    /// Notes that a thread has taken the request.
    pub(super) fn mark_taken(&self) {
        self.taken.notify_one();
    }

    /// Waits until a thread has taken the request.
    pub(super) async fn wait_until_taken(&self) {
        self.taken.notified().await;
    }

    /// Notes that the request is late. Returns whether a thread still runs it.
    pub(super) fn mark_late(&self) -> bool {
        self.run.compare_exchange(RUNNING, LATE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Notes that the thread has finished with the request. Returns whether it was late.
    pub(super) fn mark_ended(&self) -> bool {
        self.run.swap(ENDED, Ordering::Relaxed) == LATE
    }

    /// Reads up to `most` bytes of a request body that is in a file; empty at its end.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn read_body(&self, most: usize) -> std::io::Result<Vec<u8>> {
        let RequestBody::File(file) = &self.body else { return Ok(Vec::new()) };
        let mut position = lock_ignoring_poison(&self.position);
        let mut block = vec![0; most.min(BLOCK_SIZE)];
        let length = file.read_at(&mut block, *position)?;
        *position += length as u64;
        block.truncate(length);
        Ok(block)
    }

    /// Sends a complete response. Returns false if the client has disconnected.
    pub(super) fn send_response(&self, head: hyper::Response<()>, body: Bytes) -> bool {
        let mut output = lock_ignoring_poison(&self.output);
        let ResponseState::Head(sender) = &mut *output else { return false };
        let sender = sender.take();
        *output = ResponseState::Done;
        sender.is_some_and(|sender| sender.send(head.map(|()| ResponseBody::Whole(Some(body)))).is_ok())
    }

    /// Sends the head of a response whose body follows in chunks. Returns false if HTTP allows no body: chunks are
    /// discarded then.
    pub(super) fn send_head(&self, head: hyper::Response<()>, length: Option<u64>) -> bool {
        let mut output = lock_ignoring_poison(&self.output);
        let ResponseState::Head(sender) = &mut *output else { return false };
        let sender = sender.take();
        let (pieces, receiver) = mpsc::channel(MAX_BUFFERED_CHUNKS);
        let is_bodiless = is_bodiless(head.status(), self.is_head);
        *output = ResponseState::Body { pieces, left: length, is_bodiless };
        let content = ResponseBody::Pieces { receiver, left: length };
        // If this fails, the client has disconnected, which the first chunk finds out.
        if let Some(sender) = sender {
            drop(sender.send(head.map(|()| content)));
        }
        !is_bodiless
    }

    /// Sends one chunk of the body, waiting for buffer space. Returns false if the client disconnected or
    /// stalled.
    pub(super) fn send_chunk(&self, mut piece: Bytes) -> bool {
        let mut output = lock_ignoring_poison(&self.output);
        let ResponseState::Body { pieces, left, is_bodiless } = &mut *output else { return false };
        if *is_bodiless {
            return true;
        }
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
            let began = Instant::now();
            let sent =
                self.runtime.block_on(async { tokio::time::timeout(self.stall, pieces.send(piece)).await });
            if let Some(trace) = &self.trace {
                trace.add_output_write(began.elapsed());
            }
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

    /// Whether no more of the body is to be sent.
    fn is_complete(&self) -> bool {
        let output = lock_ignoring_poison(&self.output);
        matches!(
            &*output,
            ResponseState::Body { left: Some(0), .. } | ResponseState::Body { is_bodiless: true, .. }
        )
    }

    /// Ends the response. `Err` cuts the connection because the body is incomplete.
    pub(super) fn finish_response(&self, result: Result<(), ResponseAborted>) {
        let ended = std::mem::replace(&mut *lock_ignoring_poison(&self.output), ResponseState::Done);
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

/// The body of a response.
pub(super) enum ResponseBody {
    Whole(Option<Bytes>),
    Pieces { receiver: mpsc::Receiver<Result<Bytes, ResponseAborted>>, left: Option<u64> },
}

impl ResponseBody {
    pub(super) fn from_text(text: String) -> Self {
        Self::Whole(Some(text.into()))
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
