//! Accounting of a request: once its response has ended, it updates the metrics and writes a line to the
//! access log.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hyper::Method;
use hyper::body::{Body, Frame, SizeHint};
use hyper::http::request::Parts;
use wsgiaudit_probes_core::access_log_line::{AccessLogFormat, AccessLogLine};
use wsgiaudit_probes_core::group_meter::Meter;
use wsgiaudit_probes_core::peer::Peer;
use wsgiaudit_probes_core::response_head::is_bodiless;
use wsgiaudit_probes_core::telemetry::process_telemetry::ProcessTelemetry;
use wsgiaudit_probes_core::telemetry::request_trace::RequestTrace;

use super::client_stream::ConnectionState;
use super::log::log_error;
use super::request_exchange::{ResponseAborted, ResponseBody};

/// Tracks one request until its response has ended.
#[derive(Debug)]
pub(super) struct RequestTracker {
    pub(super) began: Instant,
    pub(super) meter: Option<Arc<Meter>>,
    /// Whether it is for a static file, and so for no application group.
    pub(super) is_static: bool,
    /// What telemetry measures, if it is sent.
    pub(super) telemetry: Option<(Arc<ProcessTelemetry>, Arc<RequestTrace>)>,
    /// Whether the request asked for the head only.
    is_head: bool,
    /// The access log, and what is known for its line so far.
    line: Option<(AccessLog, AccessLogLine)>,
    connection: Arc<ConnectionState>,
}

impl RequestTracker {
    pub(super) fn new(
        peer: &Peer,
        head: &Parts,
        log: Option<&AccessLog>,
        connection: &Arc<ConnectionState>,
    ) -> Self {
        let line = log.map(|log| {
            let request = (&head.method, &head.uri, head.version);
            let line = AccessLogLine::new(peer, SystemTime::now(), request, &head.headers);
            (log.clone(), line)
        });
        Self {
            began: Instant::now(),
            meter: None,
            is_static: false,
            telemetry: None,
            is_head: head.method == Method::HEAD,
            line,
            connection: Arc::clone(connection),
        }
    }

    /// Wraps the response body so that the end of the response is recorded.
    pub(super) fn track_response(
        self,
        response: hyper::Response<ResponseBody>,
    ) -> hyper::Response<TrackedBody> {
        let is_bodiless = is_bodiless(response.status(), self.is_head);
        let status = response.status().as_u16();
        response.map(|content| {
            let is_whole = is_bodiless || content.is_end_stream();
            TrackedBody { content, tracker: self, status, sent: 0, pieces: 0, is_whole, aborted: None }
        })
    }

    fn finish_request(&mut self, status: u16, (sent, pieces): (u64, u64), is_whole: bool) {
        let took = self.began.elapsed();
        if let Some(meter) = &self.meter {
            meter.record_response(status, took, is_whole);
        }
        if let Some((telemetry, trace)) = self.telemetry.take() {
            telemetry.end_request(&trace, self.meter.is_some(), took, (status, sent, pieces));
        }
        if let Some((log, line)) = self.line.take() {
            log.write_line(&line, status, sent, took);
        }
    }
}

impl Drop for RequestTracker {
    fn drop(&mut self) {
        // The client has left before there was a response.
        if let Some((telemetry, _)) = self.telemetry.take() {
            telemetry.abandon_request();
        }
    }
}

/// A response body that reports its end to a [`RequestTracker`].
pub(super) struct TrackedBody {
    content: ResponseBody,
    tracker: RequestTracker,
    status: u16,
    sent: u64,
    /// Number of pieces in which that was sent.
    pieces: u64,
    is_whole: bool,
    /// Why the response cannot be completed, and the number of flushes when that was known.
    aborted: Option<(ResponseAborted, u64)>,
}

impl TrackedBody {
    /// Passes on that the response is incomplete once everything before it has reached the socket. The HTTP library
    /// closes the connection at once and would discard it.
    fn poll_abort(&mut self, context: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseAborted>>> {
        let connection = &self.tracker.connection;
        match self.aborted.take() {
            Some((aborted, flushes)) if connection.flush_count() == flushes => {
                connection.wake_when_flushed(context.waker());
                self.aborted = Some((aborted, flushes));
                Poll::Pending
            }
            aborted => Poll::Ready(aborted.map(|(aborted, _)| Err(aborted))),
        }
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.tracker.finish_request(self.status, (self.sent, self.pieces), self.is_whole);
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = ResponseAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseAborted>>> {
        if self.aborted.is_some() {
            return self.poll_abort(context);
        }
        let polled = Pin::new(&mut self.content).poll_frame(context);
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.pieces += 1;
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.is_whole = self.content.is_end_stream() || self.content.size_hint().exact() == Some(0);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.is_whole = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(aborted))) => {
                self.aborted = Some((aborted, self.tracker.connection.flush_count()));
                self.poll_abort(context)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

/// The access log. A separate thread writes it.
#[derive(Clone, Debug)]
pub(super) struct AccessLog {
    entries: Sender<AccessLogEntry>,
    format: AccessLogFormat,
}

enum AccessLogEntry {
    Line(String),
    /// Opens the file again, after it was renamed.
    Reopen,
    /// Confirms that all entries before it have been written.
    Written(Sender<()>),
}

/// Timeout for [`AccessLog::flush`].
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

impl AccessLog {
    /// Opens the log file; `-` is standard output.
    ///
    /// # Errors
    /// An error message if the file cannot be opened.
    pub(super) fn open(path: &str, format: AccessLogFormat) -> Result<Self, String> {
        let file = open_log(path)?;
        let (sender, entries) = channel();
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("wsgiaudit-log".to_owned())
            .spawn(move || write_entries(file, &entries, &path))
            .map_err(|error| format!("cannot start the thread of the access log: {error}"))?;
        Ok(Self { entries: sender, format })
    }

    /// Queues a line for the thread that writes the log.
    pub(super) fn write_line(&self, line: &AccessLogLine, status: u16, sent: u64, took: Duration) {
        let line = line.format_line(self.format, status, sent, took);
        // Fails only if the writer thread has ended, at the end of the process.
        drop(self.entries.send(AccessLogEntry::Line(line)));
    }

    /// Opens the file again: a program that rotates logs has renamed it.
    pub(super) fn reopen(&self) {
        drop(self.entries.send(AccessLogEntry::Reopen));
    }

    /// Waits until all entries have been written, or for [`FLUSH_TIMEOUT`].
    pub(super) fn flush(&self) {
        let (written, confirmation) = channel();
        if self.entries.send(AccessLogEntry::Written(written)).is_ok() {
            let _ = confirmation.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

type LogFile = BufWriter<Box<dyn Write + Send>>;

fn open_log(path: &str) -> Result<LogFile, String> {
    if path == "-" {
        return Ok(BufWriter::new(Box::new(std::io::stdout())));
    }
    let opened = OpenOptions::new().create(true).append(true).open(path);
    let file: File = opened.map_err(|error| format!("cannot open the access log {path}: {error}"))?;
    Ok(BufWriter::new(Box::new(file)))
}

/// Writes log entries until all senders are gone. A write error is reported once, until writing succeeds
/// again.
fn write_entries(mut file: LogFile, entries: &Receiver<AccessLogEntry>, path: &str) {
    let mut failed = false;
    while let Ok(first) = entries.recv() {
        let mut waiting = Vec::new();
        let mut written = Ok(());
        for entry in std::iter::once(first).chain(entries.try_iter()) {
            match entry {
                AccessLogEntry::Line(line) => written = written.and(file.write_all(line.as_bytes())),
                AccessLogEntry::Written(confirmation) => waiting.push(confirmation),
                AccessLogEntry::Reopen => {
                    written = written.and(file.flush());
                    match open_log(path) {
                        Ok(opened) => file = opened,
                        Err(error) => log_error(&format!("{error}; the old file is still written")),
                    }
                }
            }
        }
        let written = written.and(file.flush());
        if let Err(error) = &written
            && !failed
        {
            log_error(&format!("cannot write the access log {path}: {error}"));
        }
        failed = written.is_err();
        for confirmation in waiting {
            let _ = confirmation.send(());
        }
    }
}
