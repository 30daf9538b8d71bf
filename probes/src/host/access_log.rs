//! Accounting of a request: once its response has ended, it updates the metrics and writes a line to the
//! access log.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Method;
use hyper::body::{Body, Frame, SizeHint};
use hyper::http::HeaderMap;
use hyper::http::request::Parts;

use super::group_meter::Meter;
use super::log::log_message;
use super::peer::Peer;
use super::request_exchange::{ResponseAborted, ResponseBody};

/// Tracks one request until its response has ended.
#[derive(Debug)]
pub(super) struct RequestTracker {
    pub(super) began: Instant,
    pub(super) meter: Option<Arc<Meter>>,
    /// Whether the response has no body, whatever its head declares (a HEAD request).
    is_bare: bool,
    /// The access log, and what is known for its line so far.
    line: Option<(AccessLog, AccessLogLine)>,
}

#[derive(Debug)]
struct AccessLogLine {
    peer: String,
    at: SystemTime,
    request: String,
    referer: String,
    agent: String,
}

impl RequestTracker {
    pub(super) fn new(peer: &Peer, head: &Parts, log: Option<&AccessLog>) -> Self {
        let line = log.map(|log| {
            let header = |name| escaped_header(&head.headers, name);
            let line = AccessLogLine {
                peer: if peer.address.is_empty() { "-".to_owned() } else { peer.address.clone() },
                at: SystemTime::now(),
                // A path may contain quotes.
                request: format!(
                    "{} {} {:?}",
                    head.method,
                    head.uri.to_string().escape_debug(),
                    head.version
                ),
                referer: header("referer"),
                agent: header("user-agent"),
            };
            (log.clone(), line)
        });
        Self { began: Instant::now(), meter: None, is_bare: head.method == Method::HEAD, line }
    }

    /// Wraps the response body so that the end of the response is recorded.
    pub(super) fn track_response(
        self,
        response: hyper::Response<ResponseBody>,
    ) -> hyper::Response<TrackedBody> {
        let status = response.status().as_u16();
        let is_bare = self.is_bare || [204, 304].contains(&status);
        response.map(|content| {
            let is_whole = is_bare || content.is_end_stream();
            TrackedBody { content, record: self, status, sent: 0, is_whole }
        })
    }

    fn finish_request(&mut self, status: u16, sent: u64, is_whole: bool) {
        let took = self.began.elapsed();
        if let Some(meter) = &self.meter {
            meter.record_response(status, took, is_whole);
        }
        if let Some((log, line)) = self.line.take() {
            // Fails only if the writer thread has ended, at the end of the process.
            drop(log.0.send(AccessLogEntry::Line(line.format_line(status, sent, took))));
        }
    }
}

/// Returns a header value, escaped so that it cannot forge a line or a field of the log.
fn escaped_header(headers: &HeaderMap, name: &str) -> String {
    let Some(value) = headers.get(name) else { return "-".to_owned() };
    String::from_utf8_lossy(value.as_bytes()).escape_debug().to_string()
}

impl AccessLogLine {
    /// Apache's combined log format, plus the duration of the request in milliseconds.
    fn format_line(&self, status: u16, sent: u64, took: Duration) -> String {
        let sent = if sent == 0 { "-".to_owned() } else { sent.to_string() };
        let Self { peer, request, referer, agent, .. } = self;
        let (at, took) = (format_date(self.at), took.as_secs_f64() * 1e3);
        format!("{peer} - - [{at}] \"{request}\" {status} {sent} \"{referer}\" \"{agent}\" {took:.1}ms\n")
    }
}

/// Formats a time in UTC as `25/Nov/2026:21:31:12 +0000`.
fn format_date(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut text = [0_u8; 40];
    // SAFETY: both functions write at most the sizes they are given; `strftime` terminates its output. Month
    // names follow the C locale, which Python changes only if the application asks for it.
    unsafe {
        let seconds = libc::time_t::try_from(seconds).unwrap_or(0);
        let mut parts = std::mem::zeroed::<libc::tm>();
        libc::gmtime_r(&raw const seconds, &raw mut parts);
        let format = c"%d/%b/%Y:%H:%M:%S +0000".as_ptr();
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format, &raw const parts);
    }
    CStr::from_bytes_until_nul(&text)
        .map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned())
}

/// A response body that reports its end to a [`RequestTracker`].
pub(super) struct TrackedBody {
    content: ResponseBody,
    record: RequestTracker,
    status: u16,
    sent: u64,
    is_whole: bool,
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.record.finish_request(self.status, self.sent, self.is_whole);
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = ResponseAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseAborted>>> {
        let polled = Pin::new(&mut self.content).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.is_whole = self.content.is_end_stream() || self.content.size_hint().exact() == Some(0);
            }
            Poll::Ready(None) => self.is_whole = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
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
pub(super) struct AccessLog(Sender<AccessLogEntry>);

enum AccessLogEntry {
    Line(String),
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
    pub(super) fn open(path: &str) -> Result<Self, String> {
        let file: Box<dyn Write + Send> = match path {
            "-" => Box::new(std::io::stdout()),
            path => Box::new(open_for_append(path)?),
        };
        let (sender, entries) = channel();
        let (file, path) = (BufWriter::new(file), path.to_owned());
        std::thread::spawn(move || write_entries(file, &entries, &path));
        Ok(Self(sender))
    }

    /// Waits until all entries have been written, or for [`FLUSH_TIMEOUT`].
    pub(super) fn flush(&self) {
        let (written, confirmation) = channel();
        if self.0.send(AccessLogEntry::Written(written)).is_ok() {
            let _ = confirmation.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

fn open_for_append(path: &str) -> Result<File, String> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| format!("cannot open the access log {path}: {error}"))
}

/// Writes log entries until all senders are gone. A write error is reported once, until writing succeeds
/// again.
fn write_entries(mut file: BufWriter<Box<dyn Write + Send>>, entries: &Receiver<AccessLogEntry>, path: &str) {
    let mut failed = false;
    while let Ok(first) = entries.recv() {
        let mut waiting = Vec::new();
        let mut written = Ok(());
        for entry in std::iter::once(first).chain(entries.try_iter()) {
            match entry {
                AccessLogEntry::Line(line) => written = written.and(file.write_all(line.as_bytes())),
                AccessLogEntry::Written(confirmation) => waiting.push(confirmation),
            }
        }
        let written = written.and(file.flush());
        if let Err(error) = &written
            && !failed
        {
            log_message(&format!("cannot write the access log {path}: {error}"));
        }
        failed = written.is_err();
        for confirmation in waiting {
            let _ = confirmation.send(());
        }
    }
}
