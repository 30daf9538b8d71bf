//! The bytes of one connection, between the socket and the HTTP library.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::runtime::Handle;
use tokio_io_timeout::TimeoutStream;
use wsgiaudit_probes_core::request_framing::RequestScanner;

use super::listen_socket::ConnectionStream;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// How long a closed connection still takes what the client sends. Closing it at once would reset it, and the
/// client would lose a response that it has not read.
const LINGER: Duration = Duration::from_secs(1);

/// A byte that is not allowed in a request line, a header or a chunk size: the HTTP library answers it with 400.
const MALFORMED: [u8; 1] = [0];

/// Sent to a client whose request head does not arrive in time.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What a connection's stream and its requests share.
#[derive(Debug)]
pub(super) struct ConnectionState {
    scanner: Mutex<RequestScanner>,
    /// Number of times that everything written has reached the socket.
    flushes: AtomicU64,
    /// Task to wake at the next flush.
    flushed: Mutex<Option<Waker>>,
    is_too_slow: AtomicBool,
}

impl ConnectionState {
    pub(super) fn new(max_head: usize) -> Arc<Self> {
        Arc::new(Self {
            scanner: Mutex::new(RequestScanner::new(max_head)),
            flushes: AtomicU64::new(0),
            flushed: Mutex::default(),
            is_too_slow: AtomicBool::new(false),
        })
    }

    /// Notes that a request was passed on.
    pub(super) fn take_request(&self) {
        lock_ignoring_poison(&self.scanner).take_request();
    }

    /// The line of the request that the HTTP library refused.
    pub(super) fn refused_line(&self) -> String {
        lock_ignoring_poison(&self.scanner).refused_line()
    }

    pub(super) fn is_inside_head(&self) -> bool {
        lock_ignoring_poison(&self.scanner).is_inside_head()
    }

    /// Lets the stream answer 408 when it is closed.
    pub(super) fn refuse_slow_head(&self) {
        self.is_too_slow.store(true, Ordering::Relaxed);
    }

    pub(super) fn flush_count(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    pub(super) fn wake_when_flushed(&self, waker: &Waker) {
        *lock_ignoring_poison(&self.flushed) = Some(waker.clone());
    }
}

/// A connection with deadlines for reading and writing.
type TimedStream = TimeoutStream<Box<dyn ConnectionStream>>;

/// The stream of a connection. It scans what arrives, and closes the connection without a reset.
pub(super) struct ClientStream<H: Send + 'static> {
    /// `None` once dropped.
    stream: Option<Pin<Box<TimedStream>>>,
    state: Arc<ConnectionState>,
    /// Whether the client has closed its half of the connection.
    is_ended: bool,
    /// Whether the client has sent a malformed byte: nothing after it is read.
    is_malformed: bool,
    /// Held until the socket is closed.
    held: Option<H>,
}

impl<H: Send + 'static> ClientStream<H> {
    /// Wraps a stream whose client must take a chunk of a response within `stall`.
    pub(super) fn new(
        stream: Box<dyn ConnectionStream>,
        stall: Duration,
        state: Arc<ConnectionState>,
        held: H,
    ) -> Self {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(stall));
        Self { stream: Some(Box::pin(stream)), state, is_ended: false, is_malformed: false, held: Some(held) }
    }

    fn inner(&mut self) -> io::Result<Pin<&mut TimedStream>> {
        self.stream.as_mut().map(Pin::as_mut).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<H: Send + 'static> Unpin for ClientStream<H> {}

impl<H: Send + 'static> AsyncRead for ClientStream<H> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_malformed {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(self.inner()?.poll_read(context, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if fresh.is_empty() {
            self.is_ended = true;
            return Poll::Ready(Ok(()));
        }
        let scanned = lock_ignoring_poison(&self.state.scanner).scan(fresh);
        if let Err((good, _)) = scanned {
            buffer.set_filled(before + good);
            buffer.put_slice(&MALFORMED);
            self.is_malformed = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<H: Send + 'static> AsyncWrite for ClientStream<H> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.inner()?.poll_flush(context))?;
        self.state.flushes.fetch_add(1, Ordering::Release);
        if let Some(waker) = lock_ignoring_poison(&self.state.flushed).take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(context)
    }
}

impl<H: Send + 'static> Drop for ClientStream<H> {
    fn drop(&mut self) {
        let (Some(stream), Some(held)) = (self.stream.take(), self.held.take()) else { return };
        let is_too_slow = self.state.is_too_slow.load(Ordering::Relaxed);
        if !self.is_ended
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                close_stream(stream, if is_too_slow { TOO_SLOW } else { b"" }).await;
                drop(held);
            });
        }
    }
}

/// Sends these last bytes, ends the response, and waits for the end of what the client sends, for [`LINGER`] at most.
pub(super) async fn close_stream(mut stream: impl AsyncRead + AsyncWrite + Unpin, last: &[u8]) {
    let close = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        let mut discarded = [0; 4096];
        while stream.read(&mut discarded).await? > 0 {}
        io::Result::Ok(())
    };
    // An error means that the client has closed the connection already.
    let _ = tokio::time::timeout(LINGER, close).await;
}
