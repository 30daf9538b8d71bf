//! One request on its way: made by the HTTP side, worked on by a thread of a group. Every method here may
//! wait, so callers hold no GIL.

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::http::request::Parts;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::config::Listener;
use super::peer::Peer;

/// Pieces of an answer that may wait for a slow client.
const PIECES: usize = 4;

/// Bytes of a request's body that are read though the application did not.
const DRAINED: usize = 256 << 10;

/// Bytes of a file that are read at a time.
const BLOCK: usize = 128 << 10;

/// An answer for hyper.
pub(super) type Answer = hyper::Response<Content>;

/// A request and the way back.
pub(super) struct Job {
    /// When it arrived.
    pub(super) began: Instant,
    pub(super) head: Parts,
    pub(super) has_body: bool,
    pub(super) peer: Peer,
    pub(super) listener: std::sync::Arc<Listener>,
    pub(super) exchange: std::sync::Arc<Exchange>,
    /// Kept until the job is done: what its group has room for is counted by it.
    #[expect(dead_code, reason = "held, not read")]
    pub(super) place: OwnedSemaphorePermit,
}

/// Both bodies of a request.
pub(super) struct Exchange {
    runtime: Handle,
    stall: Duration,
    input: Mutex<Input>,
    output: Mutex<Output>,
}

struct Input {
    body: Option<Incoming>,
    /// Bytes that arrived and are not read yet.
    rest: VecDeque<Bytes>,
    /// Bytes that may still arrive.
    left: u64,
}

enum Output {
    /// The head has not been sent.
    Head(Option<oneshot::Sender<Answer>>),
    /// The head is sent, and the body may have so many more bytes, if that was declared.
    Body(mpsc::Sender<Result<Bytes, Aborted>>, Option<u64>),
    Done,
}

/// The application failed after the head was sent: the connection is cut, so that the client sees it.
#[derive(Debug)]
pub(super) struct Aborted;

impl std::fmt::Display for Aborted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the application failed in the middle of its answer")
    }
}

impl std::error::Error for Aborted {}

impl Exchange {
    pub(super) fn new(
        runtime: Handle,
        body: Option<Incoming>,
        most: u64,
        stall: Duration,
    ) -> (Self, oneshot::Receiver<Answer>) {
        let (sender, answer) = oneshot::channel();
        let input = Mutex::new(Input { body, rest: VecDeque::new(), left: most });
        (Self { runtime, stall, input, output: Mutex::new(Output::Head(Some(sender))) }, answer)
    }

    /// Up to `most` bytes of the request's body, as soon as there are any; none at its end.
    ///
    /// # Errors
    /// In words, when the client went away, stalled, or sent too much.
    pub(super) fn read(&self, most: usize) -> Result<Bytes, String> {
        let mut input = lock(&self.input);
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
                Ok(Some(Err(error))) => return Err(format!("the request's body broke off: {error}")),
                Err(_) => return Err("the client sent nothing more of the request's body".to_owned()),
            };
            let Some(left) = input.left.checked_sub(piece.len() as u64) else {
                return Err("the request's body is larger than the limit".to_owned());
            };
            input.left = left;
            if piece.has_remaining() {
                input.rest.push_back(piece);
            }
        }
    }

    /// The whole answer at once. False where the client has gone.
    pub(super) fn answer(&self, head: hyper::Response<()>, body: Bytes) -> bool {
        let mut output = lock(&self.output);
        let Output::Head(sender) = &mut *output else { return false };
        let sender = sender.take();
        *output = Output::Done;
        sender.is_some_and(|sender| sender.send(head.map(|()| Content::Whole(Some(body)))).is_ok())
    }

    /// The head of an answer whose body follows piece by piece. False where the client has gone.
    pub(super) fn begin(&self, head: hyper::Response<()>, length: Option<u64>) -> bool {
        let mut output = lock(&self.output);
        let Output::Head(sender) = &mut *output else { return false };
        let sender = sender.take();
        let (pieces, receiver) = mpsc::channel(PIECES);
        *output = Output::Body(pieces, length);
        let content = Content::Pieces { receiver, left: length };
        sender.is_some_and(|sender| sender.send(head.map(|()| content)).is_ok())
    }

    /// One piece of the body, when there is room for it. False where the client has gone, or takes nothing.
    pub(super) fn send(&self, mut piece: Bytes) -> bool {
        let mut output = lock(&self.output);
        let Output::Body(pieces, left) = &mut *output else { return false };
        if let Some(left) = left {
            // PEP 3333: what goes beyond the declared Content-Length must not be sent.
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

    /// A file's bytes from here to its end, or to what was declared. False where the client has gone, or takes
    /// nothing.
    ///
    /// # Errors
    /// In words, when the file cannot be read.
    pub(super) fn send_file(&self, file: &std::fs::File, mut from: u64) -> Result<bool, String> {
        while !self.is_complete() {
            let mut block = vec![0; BLOCK];
            let length = file.read_at(&mut block, from).map_err(|error| error.to_string())?;
            if length == 0 {
                break;
            }
            block.truncate(length);
            from += length as u64;
            if !self.send(block.into()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether all that was declared is sent.
    fn is_complete(&self) -> bool {
        matches!(&*lock(&self.output), Output::Body(_, Some(0)))
    }

    /// The end of an answer; `Err` cuts the connection where something was missing.
    pub(super) fn end(&self, result: Result<(), Aborted>) {
        let ended = std::mem::replace(&mut *lock(&self.output), Output::Done);
        let mut input = lock(&self.input);
        input.rest.clear();
        if let Some(body) = input.body.take().filter(|body| !body.is_end_stream()) {
            self.runtime.spawn(drain(body));
        }
        if let (Output::Body(pieces, _), Err(aborted)) = (ended, result) {
            drop(
                self.runtime
                    .block_on(async { tokio::time::timeout(self.stall, pieces.send(Err(aborted))).await }),
            );
        }
    }

    /// Whether the client has gone already: nothing need be done then.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(&*lock(&self.output), Output::Head(Some(sender)) if sender.is_closed())
    }
}

/// Takes what an application did not read, if it is little: else the connection could not be used again.
async fn drain(mut body: Incoming) {
    let mut left = DRAINED;
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

/// A panic elsewhere leaves nothing half-done in what is locked here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of an answer.
pub(super) enum Content {
    Whole(Option<Bytes>),
    Pieces { receiver: mpsc::Receiver<Result<Bytes, Aborted>>, left: Option<u64> },
}

impl Content {
    pub(super) fn text(text: &'static str) -> Self {
        Self::Whole(Some(Bytes::from_static(text.as_bytes())))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
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
