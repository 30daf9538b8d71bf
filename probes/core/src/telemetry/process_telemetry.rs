//! The figures of a process: of its interpreters, of requests that none of them took, and its slow requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::interpreter_meter::InterpreterMeter;
use super::phase_meter::Phase;
use super::request_trace::{RequestIdentity, RequestTrace};
use super::slow_log::SlowLog;
use super::slow_request::{SlowRequest, SlowResponse};
use crate::lock::lock_ignoring_poison;

/// Slow requests that are kept for the next interval. What is beyond that is not reported.
const MAX_COMPLETED: usize = 256;

/// Measures a process.
#[derive(Debug)]
pub struct ProcessTelemetry {
    /// Its interpreters, by their index.
    pub interpreters: Vec<Arc<InterpreterMeter>>,
    /// What an application group answered without an interpreter: its queue was full, or the client left.
    pub unassigned: InterpreterMeter,
    /// Above this, a request is slow.
    pub slow_threshold: Option<Duration>,
    active: AtomicU64,
    lifetime: AtomicU64,
    completed: Mutex<Vec<SlowRequest>>,
    /// The last slow requests.
    pub slow_log: SlowLog,
}

/// A request that has just been found to be slow.
#[derive(Clone, Debug)]
pub struct FoundSlow {
    /// The interpreter that runs it.
    pub interpreter: Arc<InterpreterMeter>,
    /// Which of its threads.
    pub worker: usize,
    /// The request.
    pub trace: Arc<RequestTrace>,
}

impl ProcessTelemetry {
    /// Measures a process with these interpreters.
    pub fn new(interpreters: Vec<Arc<InterpreterMeter>>, slow_threshold: Option<Duration>) -> Self {
        Self {
            interpreters,
            unassigned: InterpreterMeter::new(String::new(), usize::MAX, 0),
            slow_threshold,
            active: AtomicU64::new(0),
            lifetime: AtomicU64::new(0),
            completed: Mutex::default(),
            slow_log: SlowLog::default(),
        }
    }

    /// Begins to measure a request. `identity` is asked for only if slow requests are reported.
    pub fn begin_request(&self, identity: impl FnOnce() -> RequestIdentity) -> Arc<RequestTrace> {
        let active = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(RequestTrace::new(active, self.slow_threshold.map(|_| identity())))
    }

    /// Ends the measurement of a request whose client left before there was a response. The metrics do not count it either.
    pub fn abandon_request(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// Records a request whose response has ended, after `took`. `is_counted` is false for one that was refused before an
    /// application group was chosen: the metrics do not count those either.
    pub fn end_request(
        &self,
        trace: &Arc<RequestTrace>,
        is_counted: bool,
        took: Duration,
        (status, bytes, pieces): (u16, u64, u64),
    ) {
        let active = self.active.fetch_sub(1, Ordering::Relaxed);
        if !is_counted {
            return;
        }
        self.lifetime.fetch_add(1, Ordering::Relaxed);
        let index = trace.interpreter.load(Ordering::Relaxed);
        let meter = self.interpreters.get(index).map_or(&self.unassigned, |meter| meter);
        meter.record_response(status, bytes, pieces);
        meter.record(Phase::Request, took);
        if let Some(read) = trace.input_read_time() {
            meter.record(Phase::InputRead, read);
            meter.record_input(
                trace.input_bytes.load(Ordering::Relaxed),
                trace.input_reads.load(Ordering::Relaxed),
            );
        }
        if let (Some(queue), Some(application)) = (trace.queue_time(), trace.application_time()) {
            meter.record(Phase::Server, took.saturating_sub(queue + application));
            meter.record(Phase::OutputWrite, trace.output_write_time());
        }
        if self.slow_threshold.is_some_and(|threshold| took >= threshold) {
            let response = Some(SlowResponse { status, bytes, pieces, active });
            let slow = SlowRequest { trace: Arc::clone(trace), duration: took, response };
            self.slow_log.note_end(&meter.name, &slow);
            let mut completed = lock_ignoring_poison(&self.completed);
            if completed.len() < MAX_COMPLETED {
                completed.push(slow);
            }
        }
    }

    /// Requests that are being handled.
    pub fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// Requests that were answered so far.
    pub fn lifetime_requests(&self) -> u64 {
        self.lifetime.load(Ordering::Relaxed)
    }

    /// Finds the requests that run and have become slow since the last call, and says in how long the next one may. Without
    /// a threshold, none ever does.
    pub fn find_slow(&self) -> Option<(Vec<FoundSlow>, Duration)> {
        let threshold = self.slow_threshold?;
        let (mut found, mut next) = (Vec::new(), threshold);
        for interpreter in &self.interpreters {
            for (worker, meter) in interpreter.workers.iter().enumerate() {
                let Some(trace) = meter.running().filter(|trace| !trace.is_noted.load(Ordering::Relaxed))
                else {
                    continue;
                };
                let left = threshold.saturating_sub(trace.began.elapsed());
                if left.is_zero() {
                    trace.is_noted.store(true, Ordering::Relaxed);
                    self.slow_log.add_running(&interpreter.name, &trace);
                    found.push(FoundSlow { interpreter: Arc::clone(interpreter), worker, trace });
                } else {
                    next = next.min(left);
                }
            }
        }
        Some((found, next))
    }

    /// Returns the slow requests that were completed since the last call, and those that are running.
    pub fn take_slow_requests(&self) -> Vec<SlowRequest> {
        let Some(threshold) = self.slow_threshold else { return Vec::new() };
        let mut slow = std::mem::take(&mut *lock_ignoring_poison(&self.completed));
        let workers = self.interpreters.iter().flat_map(|interpreter| &interpreter.workers);
        slow.extend(workers.filter_map(|worker| {
            let trace = worker.running()?;
            let duration = trace.began.elapsed();
            (duration >= threshold).then_some(SlowRequest { trace, duration, response: None })
        }));
        slow
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, Uri, Version};

    use super::*;

    const TOOK: Duration = Duration::from_millis(11);

    fn identity() -> RequestIdentity {
        RequestIdentity {
            method: Method::GET,
            uri: Uri::from_static("/"),
            version: Version::HTTP_11,
            host: None,
            scheme: "http",
            peer: String::new(),
        }
    }

    fn measure(threshold: Option<Duration>) -> ProcessTelemetry {
        let interpreter = InterpreterMeter::new("shop".to_owned(), 0, 1);
        ProcessTelemetry::new(vec![Arc::new(interpreter)], threshold)
    }

    #[test]
    fn a_request_counts_where_it_was_served() {
        let process = measure(None);
        let served = process.begin_request(identity);
        let refused = process.begin_request(identity);
        let malformed = process.begin_request(identity);
        assert_eq!((process.active(), malformed.active_at_start), (3, 3));
        assert!(served.identity.is_none());
        served.interpreter.store(0, Ordering::Relaxed);
        served.set_queue_time(Duration::ZERO);
        served.set_application_time(Duration::ZERO);
        served.set_input(Duration::ZERO, 5, 1);
        process.end_request(&served, true, TOOK, (200, 4, 1));
        process.end_request(&refused, true, TOOK, (503, 4, 1));
        process.end_request(&malformed, false, TOOK, (400, 4, 1));
        assert_eq!((process.active(), process.lifetime_requests()), (0, 2));
        process.begin_request(identity);
        process.abandon_request();
        assert_eq!((process.active(), process.lifetime_requests()), (0, 2));
        let interval = process.interpreters[0].end_interval();
        let counts = Phase::ALL.map(|phase| interval.phases[phase as usize].count());
        assert_eq!(counts, [1, 0, 0, 0, 1, 0, 1, 1]);
        assert_eq!((interval.answers, interval.input_bytes), ([0, 1, 0, 0, 0], 5));
        let interval = process.unassigned.end_interval();
        assert_eq!((interval.answers, interval.phases[0].count()), ([0, 0, 0, 0, 1], 0));
        assert!(process.take_slow_requests().is_empty());
    }

    #[test]
    fn slow_requests_are_told_while_they_run_and_once_at_their_end() {
        let process = measure(Some(Duration::from_millis(10)));
        let (fast, slow) = (process.begin_request(identity), process.begin_request(identity));
        process.end_request(&fast, true, Duration::ZERO, (200, 0, 0));
        process.interpreters[0].workers[0].begin_request(&slow);
        assert!(process.take_slow_requests().is_empty());
        std::thread::sleep(Duration::from_millis(11));
        let [running] = process.take_slow_requests().try_into().unwrap();
        assert!(running.response.is_none() && running.trace.identity.is_some());
        process.interpreters[0].workers[0].end_request();
        process.end_request(&slow, true, TOOK, (200, 9, 1));
        let [ended] = process.take_slow_requests().try_into().unwrap();
        let response = SlowResponse { status: 200, bytes: 9, pieces: 1, active: 1 };
        assert_eq!(ended.response, Some(response));
        assert_eq!(ended.duration, TOOK);
        assert!(process.take_slow_requests().is_empty());
        assert_eq!(process.slow_log.to_json().as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_request_is_found_to_be_slow_once() {
        assert!(measure(None).find_slow().is_none());
        let process = measure(Some(Duration::from_millis(50)));
        let (found, next) = process.find_slow().unwrap();
        assert!(found.is_empty() && next == Duration::from_millis(50));
        let trace = process.begin_request(identity);
        process.interpreters[0].workers[0].begin_request(&trace);
        let (found, next) = process.find_slow().unwrap();
        assert!(found.is_empty() && next < Duration::from_millis(50), "{next:?}");
        std::thread::sleep(Duration::from_millis(51));
        let (found, _) = process.find_slow().unwrap();
        assert!(found.len() == 1 && found[0].worker == 0 && Arc::ptr_eq(&found[0].trace, &trace));
        let (found, next) = process.find_slow().unwrap();
        assert!(found.is_empty() && next == Duration::from_millis(50));
        assert_eq!(process.slow_log.to_json()[0]["interpreter"], "shop");
    }
}
