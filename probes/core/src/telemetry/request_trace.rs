//! What is measured for one request, between the threads that handle it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderValue, Method, Uri, Version};

use super::stack::StackSample;

/// Stands for a time that is not known.
const UNKNOWN: u64 = u64::MAX;

/// What a request asks for, for slow requests.
#[derive(Clone, Debug)]
pub struct RequestIdentity {
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// Its version of HTTP.
    pub version: Version,
    /// Its `Host` header.
    pub host: Option<HeaderValue>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The client's address; empty for a Unix socket.
    pub peer: String,
}

/// The times of a request. All but the first are set by the thread that runs the application.
#[derive(Debug)]
pub struct RequestTrace {
    /// When it arrived.
    pub began: Instant,
    /// The same, as seconds since 1970.
    pub start: f64,
    /// Requests that the process was handling then, this one included.
    pub active_at_start: u64,
    /// What it asks for, if slow requests are reported.
    pub identity: Option<RequestIdentity>,
    /// `SCRIPT_NAME`.
    pub mount: OnceLock<String>,
    /// Which of the process's interpreters took it; the largest number before one has.
    pub interpreter: AtomicUsize,
    /// The system's number of the thread that ran the application.
    pub thread: AtomicU64,
    /// Whether it was found to be slow while it ran.
    pub is_noted: AtomicBool,
    /// Its stack at that moment, once it is known.
    pub stack: OnceLock<StackSample>,
    /// Bytes of its body, and pieces in which they came.
    pub input_bytes: AtomicU64,
    /// See [`Self::input_bytes`].
    pub input_reads: AtomicU64,
    queue: AtomicU64,
    application: AtomicU64,
    input_read: AtomicU64,
    output_write: AtomicU64,
    gil_wait: AtomicU64,
    gil_waits: AtomicU64,
    cpu_user: AtomicU64,
    cpu_system: AtomicU64,
    taken: OnceLock<Instant>,
}

impl RequestTrace {
    /// A request that has just arrived.
    pub fn new(active_at_start: u64, identity: Option<RequestIdentity>) -> Self {
        let start =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self {
            began: Instant::now(),
            start,
            active_at_start,
            identity,
            mount: OnceLock::new(),
            interpreter: AtomicUsize::new(usize::MAX),
            thread: AtomicU64::new(0),
            is_noted: AtomicBool::new(false),
            stack: OnceLock::new(),
            input_bytes: AtomicU64::new(0),
            input_reads: AtomicU64::new(0),
            queue: AtomicU64::new(UNKNOWN),
            application: AtomicU64::new(UNKNOWN),
            input_read: AtomicU64::new(UNKNOWN),
            output_write: AtomicU64::new(0),
            gil_wait: AtomicU64::new(0),
            gil_waits: AtomicU64::new(0),
            cpu_user: AtomicU64::new(0),
            cpu_system: AtomicU64::new(0),
            taken: OnceLock::new(),
        }
    }

    /// Notes how long it waited for a thread, which takes it now.
    pub fn set_queue_time(&self, took: Duration) {
        self.queue.store(to_micros(took), Ordering::Relaxed);
        let _ = self.taken.set(Instant::now());
    }

    /// How long it waited for a thread; `None` before one has taken it.
    pub fn queue_time(&self) -> Option<Duration> {
        from_micros(&self.queue)
    }

    /// Notes how long the application took.
    pub fn set_application_time(&self, took: Duration) {
        self.application.store(to_micros(took), Ordering::Relaxed);
    }

    /// How long the application took; `None` before its end.
    pub fn application_time(&self) -> Option<Duration> {
        from_micros(&self.application)
    }

    /// How long the application has taken so far.
    pub fn application_time_so_far(&self) -> Duration {
        self.application_time().or_else(|| self.taken.get().map(Instant::elapsed)).unwrap_or_default()
    }

    /// Notes how long its body took to arrive, and its size.
    pub fn set_input(&self, took: Duration, bytes: u64, pieces: u64) {
        self.input_read.store(to_micros(took), Ordering::Relaxed);
        self.input_bytes.store(bytes, Ordering::Relaxed);
        self.input_reads.store(pieces, Ordering::Relaxed);
    }

    /// How long its body took to arrive; `None` without a body.
    pub fn input_read_time(&self) -> Option<Duration> {
        from_micros(&self.input_read)
    }

    /// Notes that the application waited for the client.
    pub fn add_output_write(&self, took: Duration) {
        self.output_write.fetch_add(to_micros(took), Ordering::Relaxed);
    }

    /// How long the application has waited for the client.
    pub fn output_write_time(&self) -> Duration {
        Duration::from_micros(self.output_write.load(Ordering::Relaxed))
    }

    /// Notes a wait for the GIL.
    pub fn add_gil_wait(&self, took: Duration) {
        self.gil_wait.fetch_add(to_micros(took), Ordering::Relaxed);
        self.gil_waits.fetch_add(1, Ordering::Relaxed);
    }

    /// How long it has waited for the GIL, and how often.
    pub fn gil_wait(&self) -> (Duration, u64) {
        (Duration::from_micros(self.gil_wait.load(Ordering::Relaxed)), self.gil_waits.load(Ordering::Relaxed))
    }

    /// Notes the CPU time of its thread.
    pub fn set_cpu(&self, user: Duration, system: Duration) {
        self.cpu_user.store(to_micros(user), Ordering::Relaxed);
        self.cpu_system.store(to_micros(system), Ordering::Relaxed);
    }

    /// The CPU time of its thread; zero until the application's end.
    pub fn cpu(&self) -> (Duration, Duration) {
        let read = |time: &AtomicU64| Duration::from_micros(time.load(Ordering::Relaxed));
        (read(&self.cpu_user), read(&self.cpu_system))
    }
}

fn to_micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(UNKNOWN).min(UNKNOWN - 1)
}

fn from_micros(stored: &AtomicU64) -> Option<Duration> {
    let micros = stored.load(Ordering::Relaxed);
    (micros != UNKNOWN).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::RequestTrace;

    #[test]
    fn times_are_unknown_until_they_are_set() {
        let trace = RequestTrace::new(3, None);
        assert_eq!(
            (trace.queue_time(), trace.application_time(), trace.input_read_time()),
            (None, None, None)
        );
        assert_eq!(
            (trace.application_time_so_far(), trace.gil_wait()),
            (Duration::ZERO, (Duration::ZERO, 0))
        );
        trace.set_queue_time(Duration::from_millis(2));
        trace.set_application_time(Duration::from_millis(5));
        trace.set_input(Duration::from_millis(1), 10, 2);
        trace.add_gil_wait(Duration::from_millis(3));
        trace.add_gil_wait(Duration::from_millis(4));
        trace.add_output_write(Duration::from_millis(6));
        assert_eq!(trace.queue_time(), Some(Duration::from_millis(2)));
        assert_eq!(trace.application_time_so_far(), Duration::from_millis(5));
        assert_eq!(trace.gil_wait(), (Duration::from_millis(7), 2));
        assert_eq!(trace.output_write_time(), Duration::from_millis(6));
        assert!(trace.start > 1e9 && trace.active_at_start == 3);
    }
}
