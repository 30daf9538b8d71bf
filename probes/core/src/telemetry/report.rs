//! The datagrams of an interval: one for each interpreter, one for each slow request.
//!
//! mod_wsgi sends one for each process. Receivers add up what the datagrams of a process count, so the datagrams of its
//! interpreters share its requests among them, and repeat what the process has once: processors and memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::datagram::{Datagram, field};
use super::interpreter_meter::{InterpreterInterval, WorkerInterval};
use super::lifecycle::ProcessIdentity;
use super::slow_request::SlowRequest;

/// Threads that a datagram lists. More would not fit into one.
const MAX_WORKERS: usize = 1024;

/// What the system says about the process. Times are in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    /// CPU time in the process, since its start.
    pub cpu_user: f64,
    /// CPU time in the system for it, since its start.
    pub cpu_system: f64,
    /// Resident memory in bytes.
    pub memory: u64,
    /// The most that it was.
    pub memory_maximum: u64,
}

/// What an interpreter did in an interval.
#[derive(Clone, Copy, Debug)]
pub struct IntervalReport<'a> {
    /// Which process it is.
    pub identity: &'a ProcessIdentity,
    /// Its name; empty for requests that no interpreter took.
    pub name: &'a str,
    /// Its measured length in seconds.
    pub period: f64,
    /// The length that was asked for.
    pub interval: f64,
    /// Above how many seconds a request is slow; 0 if slow requests are not reported.
    pub slow_threshold: f64,
    /// `sys.getswitchinterval()`, if it is known.
    pub switch_interval: Option<f64>,
    /// Its requests.
    pub requests: &'a InterpreterInterval,
    /// Each of its threads, with its CPU time in the interval.
    pub workers: &'a [(WorkerInterval, Duration)],
    /// The process at its begin.
    pub usage_before: ProcessUsage,
    /// The process at its end.
    pub usage: ProcessUsage,
}

/// Fields that begin a block of eight: one for each phase.
const MEANS: u16 = field::SERVER_TIME;
const MINIMA: u16 = field::SERVER_TIME_MINIMUM;
const MAXIMA: u16 = field::SERVER_TIME_MAXIMUM;
const BUCKETS: u16 = field::SERVER_TIME_BUCKETS;

impl IntervalReport<'_> {
    /// Completes its datagram.
    pub fn describe(&self, datagram: &mut Datagram) {
        self.identity.add_to(datagram);
        datagram.add_text(field::INTERPRETER_NAME, self.name);
        datagram.add_number(field::SAMPLE_PERIOD, self.period);
        datagram.add_number(field::INTERVAL, self.interval);
        datagram.add_number(field::SLOW_THRESHOLD, self.slow_threshold);
        if let Some(seconds) = self.switch_interval {
            datagram.add_number(field::SWITCH_INTERVAL, seconds);
        }
        describe_requests(datagram, self.requests, self.period);
        self.describe_usage(datagram);
        if !self.workers.is_empty() {
            self.describe_workers(datagram);
        }
    }

    fn describe_usage(&self, datagram: &mut Datagram) {
        let (usage, before) = (self.usage, self.usage_before);
        let user = divide(usage.cpu_user - before.cpu_user, self.period);
        let system = divide(usage.cpu_system - before.cpu_system, self.period);
        datagram.add_number(field::CPU_USER, user);
        datagram.add_number(field::CPU_SYSTEM, system);
        datagram.add_number(field::CPU, user + system);
        datagram.add_number(field::CPU_USER_TIME, usage.cpu_user);
        datagram.add_number(field::CPU_SYSTEM_TIME, usage.cpu_system);
        datagram.add_number(field::CPU_TIME, usage.cpu_user + usage.cpu_system);
        datagram.add_count(field::MEMORY, usage.memory);
        datagram.add_count(field::MEMORY_MAXIMUM, usage.memory_maximum);
    }

    fn describe_workers(&self, datagram: &mut Datagram) {
        let busy: Duration = self.workers.iter().map(|(worker, _)| worker.busy).sum();
        let capacity = self.period * self.workers.len() as f64;
        datagram.add_number(field::CAPACITY, divide(busy.as_secs_f64(), capacity).min(1.0));
        let active = self.workers.iter().filter(|(worker, _)| !worker.elapsed.is_zero()).count();
        datagram.add_count(field::THREADS_MAXIMUM, self.workers.len() as u64);
        datagram.add_count(field::THREADS_STARTED, self.workers.len() as u64);
        datagram.add_count(field::THREADS_ACTIVE, active as u64);
        let workers: Vec<_> = self.workers.iter().take(MAX_WORKERS).collect();
        let completed: Vec<u64> = workers.iter().map(|(worker, _)| worker.completed).collect();
        datagram.add_counts(field::WORKER_COMPLETED, &completed);
        let seconds = |time: fn(&WorkerInterval, Duration) -> Duration| {
            workers.iter().map(|(worker, cpu)| time(worker, *cpu).as_secs_f64()).collect()
        };
        datagram.add_numbers(field::WORKER_BUSY, seconds(|worker, _| worker.busy));
        datagram.add_numbers(field::WORKER_CPU, seconds(|_, cpu| cpu));
        datagram.add_numbers(field::WORKER_ELAPSED, seconds(|worker, _| worker.elapsed));
        datagram.add_numbers(field::WORKER_LONGEST, seconds(|worker, _| worker.longest));
    }
}

fn describe_requests(datagram: &mut Datagram, requests: &InterpreterInterval, period: f64) {
    datagram.add_count(field::REQUEST_COUNT, requests.requests());
    datagram.add_number(field::THROUGHPUT, divide(requests.requests() as f64, period));
    for (offset, phase) in (0..).zip(&requests.phases) {
        // This server has no daemon processes, and so no time to reach them.
        if MEANS + offset == field::DAEMON_TIME {
            continue;
        }
        datagram.add_number(MEANS + offset, phase.mean());
        if let Some((minimum, maximum)) = phase.extremes {
            datagram.add_number(MINIMA + offset, minimum);
            datagram.add_number(MAXIMA + offset, maximum);
        }
        datagram.add_counts(BUCKETS + offset, &phase.buckets);
    }
    datagram.add_count(field::INPUT_BYTES, requests.input_bytes);
    datagram.add_count(field::INPUT_READS, requests.input_reads);
    datagram.add_count(field::OUTPUT_BYTES, requests.output_bytes);
    datagram.add_count(field::OUTPUT_WRITES, requests.output_writes);
    for (id, count) in (field::STATUS_1XX..).zip(requests.answers) {
        datagram.add_count(id, count);
    }
}

/// Completes the datagram of a slow request.
pub fn describe_slow_request(datagram: &mut Datagram, slow: &SlowRequest, pid: u32) {
    let (trace, response) = (&slow.trace, slow.response);
    let seconds = |time: Duration| time.as_secs_f64();
    datagram.add_count(field::SLOW_STATE, u64::from(response.is_some()));
    datagram.add_number(field::SLOW_START, trace.start);
    datagram.add_number(field::SLOW_DURATION, seconds(slow.duration));
    datagram.add_count(field::SLOW_THREAD, trace.thread.load(Ordering::Relaxed));
    datagram.add_count(field::SLOW_SERVER_PID, pid.into());
    if let Some(identity) = &trace.identity {
        let mount = trace.mount.get().map_or("", String::as_str);
        let path = identity.uri.path();
        datagram.add_text(field::SLOW_METHOD, identity.method.as_str());
        datagram.add_text(field::SLOW_SCHEME, identity.scheme);
        let host = identity.host.as_ref().map(|host| String::from_utf8_lossy(host.as_bytes()));
        datagram.add_text(field::SLOW_HOST, &host.unwrap_or_default());
        datagram.add_text(field::SLOW_SCRIPT_NAME, mount);
        datagram.add_text(field::SLOW_PATH, path.strip_prefix(mount).unwrap_or(path));
        datagram.add_text(field::SLOW_PROTOCOL, &format!("{:?}", identity.version));
        datagram.add_text(field::SLOW_PEER, &identity.peer);
    }
    let (queue, application) = (trace.queue_time().unwrap_or_default(), trace.application_time_so_far());
    let (gil_wait, gil_waits) = trace.gil_wait();
    datagram.add_number(field::SLOW_SERVER_TIME, seconds(slow.duration.saturating_sub(queue + application)));
    datagram.add_number(field::SLOW_QUEUE_TIME, seconds(queue));
    datagram.add_number(field::SLOW_DAEMON_TIME, 0.0);
    datagram.add_number(field::SLOW_APPLICATION_TIME, seconds(application));
    datagram.add_number(field::SLOW_GIL_WAIT_TIME, seconds(gil_wait));
    datagram.add_count(field::SLOW_GIL_WAIT_COUNT, gil_waits);
    datagram.add_count(field::SLOW_INPUT_BYTES, trace.input_bytes.load(Ordering::Relaxed));
    datagram.add_count(field::SLOW_INPUT_READS, trace.input_reads.load(Ordering::Relaxed));
    datagram.add_count(field::SLOW_OUTPUT_BYTES, response.map_or(0, |response| response.bytes));
    datagram.add_count(field::SLOW_OUTPUT_WRITES, response.map_or(0, |response| response.pieces));
    datagram.add_number(field::SLOW_INPUT_READ_TIME, seconds(trace.input_read_time().unwrap_or_default()));
    datagram.add_number(field::SLOW_OUTPUT_WRITE_TIME, seconds(trace.output_write_time()));
    datagram.add_count(field::SLOW_STATUS, response.map_or(0, |response| response.status.into()));
    let (user, system) = trace.cpu();
    datagram.add_number(field::SLOW_CPU_USER, seconds(user));
    datagram.add_number(field::SLOW_CPU_SYSTEM, seconds(system));
    datagram.add_count(field::SLOW_ACTIVE_AT_START, trace.active_at_start);
    datagram.add_count(field::SLOW_ACTIVE_AT_COMPLETION, response.map_or(0, |response| response.active));
}

/// Divides; by nothing, the result is 0.
fn divide(number: f64, by: f64) -> f64 {
    if by > 0.0 { number / by } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderValue, Method, Uri, Version};

    use super::*;
    use crate::telemetry::datagram::Kind;
    use crate::telemetry::interpreter_meter::InterpreterMeter;
    use crate::telemetry::phase_meter::Phase;
    use crate::telemetry::request_trace::{RequestIdentity, RequestTrace};
    use crate::telemetry::slow_request::SlowResponse;

    fn requests() -> InterpreterInterval {
        let meter = InterpreterMeter::new("shop".to_owned(), 0, 1);
        meter.record(Phase::Request, Duration::from_millis(4));
        meter.record_response(200, 100, 2);
        meter.end_interval()
    }

    fn worker(busy: u64, elapsed: u64) -> WorkerInterval {
        let (busy, elapsed) = (Duration::from_millis(busy), Duration::from_millis(elapsed));
        WorkerInterval { completed: 1, busy, elapsed, longest: Duration::from_millis(3) }
    }

    #[test]
    fn the_datagram_of_an_interpreter_has_every_figure_but_the_daemons() {
        let identity = ProcessIdentity { host: "web".to_owned(), ..ProcessIdentity::default() };
        let usage = |user: f64, system: f64| ProcessUsage {
            cpu_user: user,
            cpu_system: system,
            memory: 10,
            memory_maximum: 20,
        };
        let workers = [(worker(1000, 0), Duration::from_millis(500)), (worker(500, 20), Duration::ZERO)];
        let requests = requests();
        let interval = IntervalReport {
            identity: &identity,
            name: "shop/2",
            period: 2.0,
            interval: 2.0,
            slow_threshold: 0.0,
            switch_interval: Some(0.005),
            requests: &requests,
            workers: &workers,
            usage_before: usage(1.0, 1.0),
            usage: usage(2.0, 1.5),
        };
        let mut datagram = Datagram::new(Kind::Request, 1, 1, 0.0);
        interval.describe(&mut datagram);
        for (id, number) in [
            (10, 2.0),
            (11, 2.0),
            (12, 0.0),
            (13, 0.005),
            (20, 1.0),
            (21, 0.5),
            (22, 0.375),
            (30, 0.5),
            (31, 0.25),
            (32, 0.75),
            (35, 2.0),
            (36, 1.5),
            (37, 3.5),
            (40, 10.0),
            (41, 20.0),
            (50, 2.0),
            (51, 2.0),
            (52, 1.0),
            (64, 0.004),
            (74, 0.004),
            (84, 0.004),
            (100, 0.0),
            (102, 100.0),
            (103, 2.0),
            (121, 1.0),
            (125, -1.0),
        ] {
            let expected = (number >= 0.0).then_some(number);
            assert_eq!(datagram.number(id), expected, "{id}");
        }
        assert_eq!(
            (datagram.counts(94).len(), datagram.counts(94)[8], datagram.counts(110)),
            (65, 1, vec![1, 1])
        );
        assert_eq!((datagram.numbers(111), datagram.numbers(112)), (vec![1.0, 0.5], vec![0.5, 0.0]));
        assert_eq!((datagram.numbers(113), datagram.numbers(114)), (vec![0.0, 0.02], vec![0.003, 0.003]));
        assert_eq!(datagram.text(8).as_deref(), Some("shop/2"));
        for absent in [62, 72, 82, 92, 70] {
            assert_eq!(datagram.find(absent), None, "{absent}");
        }
        // mod_wsgi's own reserve 8 KiB.
        assert!(datagram.encode().len() < 4096, "{}", datagram.encode().len());
    }

    #[test]
    fn what_no_interpreter_took_has_neither_name_nor_threads() {
        let (identity, requests) = (ProcessIdentity::default(), requests());
        let report = IntervalReport {
            identity: &identity,
            name: "",
            period: 1.0,
            interval: 1.0,
            slow_threshold: 0.0,
            switch_interval: None,
            requests: &requests,
            workers: &[],
            usage_before: ProcessUsage::default(),
            usage: ProcessUsage::default(),
        };
        let mut datagram = Datagram::new(Kind::Request, 1, 1, 0.0);
        report.describe(&mut datagram);
        assert_eq!(datagram.count(20), Some(1));
        for absent in [8, 13, 22, 50, 110] {
            assert_eq!(datagram.find(absent), None, "{absent}");
        }
    }

    #[test]
    fn a_slow_request_says_what_it_is_and_where_its_time_went() {
        let identity = RequestIdentity {
            method: Method::POST,
            uri: Uri::from_static("/shop/cart?secret=1"),
            version: Version::HTTP_11,
            host: Some(HeaderValue::from_static("example.org")),
            scheme: "https",
            peer: "192.0.2.1".to_owned(),
        };
        let trace = RequestTrace::new(2, Some(identity));
        trace.mount.set("/shop".to_owned()).unwrap();
        trace.set_queue_time(Duration::from_secs(1));
        trace.set_application_time(Duration::from_secs(2));
        trace.add_gil_wait(Duration::from_millis(500));
        let response = Some(SlowResponse { status: 500, bytes: 22, pieces: 1, active: 4 });
        let slow = SlowRequest { trace: Arc::new(trace), duration: Duration::from_millis(3500), response };
        let mut datagram = Datagram::new(Kind::SlowRequest, 1, 1, 0.0);
        describe_slow_request(&mut datagram, &slow, 77);
        let texts = [210, 211, 212, 213, 214, 215, 216].map(|id| datagram.text(id).unwrap_or_default());
        assert_eq!(texts, ["POST", "https", "example.org", "/shop", "/cart", "HTTP/1.1", "192.0.2.1"]);
        let numbers =
            [200, 202, 205, 220, 221, 223, 224, 225, 232, 240, 260, 261].map(|id| datagram.number(id));
        let expected = [1.0, 3.5, 77.0, 0.5, 1.0, 2.0, 0.5, 1.0, 22.0, 500.0, 2.0, 4.0];
        assert_eq!(numbers, expected.map(Some));
        // The query may hold what is nobody's business.
        assert!(!String::from_utf8_lossy(&datagram.encode()).contains("secret"));
    }
}
