//! One request's record: what it is counted by, and its line in the access log, once its answer has ended.

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

use super::exchange::{Aborted, Content};
use super::log::say;
use super::meter::Meter;
use super::peer::Peer;

/// What is known of a request before its answer.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) began: Instant,
    pub(super) meter: Option<Arc<Meter>>,
    /// Whether an answer has no body, whatever its head declares.
    is_bare: bool,
    /// Where its line goes, and how it begins.
    line: Option<(Log, Line)>,
}

#[derive(Debug)]
struct Line {
    peer: String,
    at: SystemTime,
    request: String,
    referer: String,
    agent: String,
}

impl Record {
    pub(super) fn new(peer: &Peer, head: &Parts, log: Option<&Log>) -> Self {
        let line = log.map(|log| {
            let of = |name| text(&head.headers, name);
            let line = Line {
                peer: if peer.address.is_empty() { "-".to_owned() } else { peer.address.clone() },
                at: SystemTime::now(),
                // A path may hold quotes.
                request: format!(
                    "{} {} {:?}",
                    head.method,
                    head.uri.to_string().escape_debug(),
                    head.version
                ),
                referer: of("referer"),
                agent: of("user-agent"),
            };
            (log.clone(), line)
        });
        Self { began: Instant::now(), meter: None, is_bare: head.method == Method::HEAD, line }
    }

    /// The answer's body is the last that is sent of it.
    pub(super) fn follow(self, answer: hyper::Response<Content>) -> hyper::Response<Recorded> {
        let status = answer.status().as_u16();
        let is_bare = self.is_bare || [204, 304].contains(&status);
        answer.map(|content| {
            let is_whole = is_bare || content.is_end_stream();
            Recorded { content, record: self, status, sent: 0, is_whole }
        })
    }

    fn end(&mut self, status: u16, sent: u64, is_whole: bool) {
        let took = self.began.elapsed();
        if let Some(meter) = &self.meter {
            meter.answered(status, took, is_whole);
        }
        if let Some((log, line)) = self.line.take() {
            // The writer ends with the process.
            drop(log.0.send(Entry::Line(line.format(status, sent, took))));
        }
    }
}

/// A header, without what could forge a line or a field of the log.
fn text(headers: &HeaderMap, name: &str) -> String {
    let Some(value) = headers.get(name) else { return "-".to_owned() };
    String::from_utf8_lossy(value.as_bytes()).escape_debug().to_string()
}

impl Line {
    /// Apache's combined log format, and the milliseconds until the answer had ended.
    fn format(&self, status: u16, sent: u64, took: Duration) -> String {
        let sent = if sent == 0 { "-".to_owned() } else { sent.to_string() };
        let Self { peer, request, referer, agent, .. } = self;
        let (at, took) = (date(self.at), took.as_secs_f64() * 1e3);
        format!("{peer} - - [{at}] \"{request}\" {status} {sent} \"{referer}\" \"{agent}\" {took:.1}ms\n")
    }
}

/// `25/Nov/2026:21:31:12 +0000`.
fn date(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut text = [0_u8; 40];
    // SAFETY: both functions write into what they are given, which is as large as they are told; `strftime` ends what
    // it writes, and the C locale of its names is Python's business only where the application asks for another.
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

/// An answer's body, whose end is seen.
pub(super) struct Recorded {
    content: Content,
    record: Record,
    status: u16,
    sent: u64,
    is_whole: bool,
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.record.end(self.status, self.sent, self.is_whole);
    }
}

impl Body for Recorded {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
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

/// The access log: its lines go to a thread of their own.
#[derive(Clone, Debug)]
pub(super) struct Log(Sender<Entry>);

enum Entry {
    Line(String),
    /// To be told when all before it is written.
    Written(Sender<()>),
}

/// How long the end waits for the last lines.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Log {
    /// Opens it: `-` is standard output.
    ///
    /// # Errors
    /// In words, when it cannot be opened.
    pub(super) fn open(path: &str) -> Result<Self, String> {
        let file: Box<dyn Write + Send> = match path {
            "-" => Box::new(std::io::stdout()),
            path => Box::new(append(path)?),
        };
        let (sender, entries) = channel();
        let (file, path) = (BufWriter::new(file), path.to_owned());
        std::thread::spawn(move || write(file, &entries, &path));
        Ok(Self(sender))
    }

    /// Waits until everything is written.
    pub(super) fn finish(&self) {
        let (written, told) = channel();
        if self.0.send(Entry::Written(written)).is_ok() {
            let _ = told.recv_timeout(LONGEST_WAIT);
        }
    }
}

fn append(path: &str) -> Result<File, String> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| format!("the access log {path} cannot be opened: {error}"))
}

/// A full disk is said once, until lines fit again.
fn write(mut file: BufWriter<Box<dyn Write + Send>>, entries: &Receiver<Entry>, path: &str) {
    let mut failed = false;
    while let Ok(first) = entries.recv() {
        let mut waiting = Vec::new();
        let mut written = Ok(());
        for entry in std::iter::once(first).chain(entries.try_iter()) {
            match entry {
                Entry::Line(line) => written = written.and(file.write_all(line.as_bytes())),
                Entry::Written(told) => waiting.push(told),
            }
        }
        let written = written.and(file.flush());
        if let Err(error) = &written
            && !failed
        {
            say(&format!("the access log {path} cannot be written: {error}"));
        }
        failed = written.is_err();
        for told in waiting {
            let _ = told.send(());
        }
    }
}
