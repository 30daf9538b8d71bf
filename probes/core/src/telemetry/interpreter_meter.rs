//! The figures of an interpreter and of its threads.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::phase_meter::{Phase, PhaseInterval, PhaseMeter};
use super::request_trace::RequestTrace;
use super::stack_requests::StackRequests;
use crate::lock::lock_ignoring_poison;

/// Measures an interpreter. Any thread may record.
#[derive(Debug)]
pub struct InterpreterMeter {
    /// Its name: that of its group, and its number if the group has several.
    pub name: String,
    /// Which of the process's interpreters it is.
    pub index: usize,
    /// Its threads.
    pub workers: Vec<WorkerMeter>,
    /// The stacks that are wanted of its threads.
    pub stack_requests: StackRequests,
    phases: [PhaseMeter; 8],
    /// Responses by status class; index 0 holds 1xx.
    answers: [AtomicU64; 5],
    input_bytes: AtomicU64,
    input_reads: AtomicU64,
    output_bytes: AtomicU64,
    output_writes: AtomicU64,
    /// Set by the reporter: the next thread that is attached reads the switch interval.
    is_switch_interval_requested: AtomicBool,
    /// `sys.getswitchinterval()`, in seconds.
    switch_interval: Mutex<Option<f64>>,
}

/// What was recorded in an interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InterpreterInterval {
    /// The times, in the order of [`Phase::ALL`].
    pub phases: [PhaseInterval; 8],
    /// Responses by status class; index 0 holds 1xx.
    pub answers: [u64; 5],
    /// Bytes of the requests' bodies.
    pub input_bytes: u64,
    /// Pieces in which they came.
    pub input_reads: u64,
    /// Bytes of the responses' bodies.
    pub output_bytes: u64,
    /// Pieces in which they were sent.
    pub output_writes: u64,
}

impl InterpreterMeter {
    /// Measures an interpreter with a number of threads.
    pub fn new(name: String, index: usize, threads: usize) -> Self {
        Self {
            name,
            index,
            workers: (0..threads).map(|_| WorkerMeter::default()).collect(),
            stack_requests: StackRequests::default(),
            phases: Default::default(),
            answers: Default::default(),
            input_bytes: AtomicU64::new(0),
            input_reads: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            output_writes: AtomicU64::new(0),
            is_switch_interval_requested: AtomicBool::new(true),
            switch_interval: Mutex::new(None),
        }
    }

    /// Records a time.
    pub fn record(&self, phase: Phase, took: Duration) {
        if let Some(meter) = self.phases.get(phase as usize) {
            meter.record(took);
        }
    }

    /// Counts a response, with the bytes of its body and the pieces in which it was sent.
    pub fn record_response(&self, status: u16, bytes: u64, pieces: u64) {
        if let Some(count) = usize::from(status / 100).checked_sub(1).and_then(|at| self.answers.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.output_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.output_writes.fetch_add(pieces, Ordering::Relaxed);
    }

    /// Counts a request's body.
    pub fn record_input(&self, bytes: u64, pieces: u64) {
        self.input_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.input_reads.fetch_add(pieces, Ordering::Relaxed);
    }

    /// Whether the switch interval is to be read by a thread that is attached. True once for each interval.
    pub fn take_switch_interval_request(&self) -> bool {
        self.is_switch_interval_requested.load(Ordering::Relaxed)
            && self.is_switch_interval_requested.swap(false, Ordering::Relaxed)
    }

    /// Keeps the switch interval.
    pub fn set_switch_interval(&self, seconds: f64) {
        *lock_ignoring_poison(&self.switch_interval) = Some(seconds);
    }

    /// The switch interval as it was last read; `None` before the first request.
    pub fn switch_interval(&self) -> Option<f64> {
        *lock_ignoring_poison(&self.switch_interval)
    }

    /// Returns what was recorded since the last call, and asks for the switch interval again.
    pub fn end_interval(&self) -> InterpreterInterval {
        self.is_switch_interval_requested.store(true, Ordering::Relaxed);
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        InterpreterInterval {
            phases: self.phases.each_ref().map(PhaseMeter::end_interval),
            answers: self.answers.each_ref().map(take),
            input_bytes: take(&self.input_bytes),
            input_reads: take(&self.input_reads),
            output_bytes: take(&self.output_bytes),
            output_writes: take(&self.output_writes),
        }
    }
}

impl InterpreterInterval {
    /// Number of responses.
    pub fn requests(&self) -> u64 {
        self.answers.iter().sum()
    }
}

/// Measures a thread.
#[derive(Debug, Default)]
pub struct WorkerMeter {
    /// The clock of its CPU time (`pthread_getcpuclockid`); 0 before it runs.
    pub cpu_clock: AtomicI32,
    /// The system's number of the thread.
    pub thread: AtomicU64,
    /// Its Python thread state (`PyThreadState`), while it serves requests; null otherwise.
    pub thread_state: AtomicPtr<()>,
    state: Mutex<WorkerState>,
}

#[derive(Debug, Default)]
struct WorkerState {
    running: Option<(Instant, Arc<RequestTrace>)>,
    completed: u64,
    busy: Duration,
    /// How much of `busy`, and of what runs now, earlier intervals had.
    reported: Duration,
    longest: Duration,
}

/// What a thread did in an interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerInterval {
    /// Requests that it completed.
    pub completed: u64,
    /// Time that it spent on requests.
    pub busy: Duration,
    /// How long it has been at its present request; zero without one.
    pub elapsed: Duration,
    /// The longest request that it completed.
    pub longest: Duration,
}

impl WorkerMeter {
    /// Notes that it has taken a request.
    pub fn begin_request(&self, trace: &Arc<RequestTrace>) {
        trace.thread.store(self.thread.load(Ordering::Relaxed), Ordering::Relaxed);
        lock_ignoring_poison(&self.state).running = Some((Instant::now(), Arc::clone(trace)));
    }

    /// Notes that it has completed its request.
    pub fn end_request(&self) {
        let mut state = lock_ignoring_poison(&self.state);
        if let Some((began, _)) = state.running.take() {
            let took = began.elapsed();
            state.completed += 1;
            state.busy += took;
            state.longest = state.longest.max(took);
        }
    }

    /// The request that it is at.
    pub fn running(&self) -> Option<Arc<RequestTrace>> {
        lock_ignoring_poison(&self.state).running.as_ref().map(|(_, trace)| Arc::clone(trace))
    }

    /// Returns what it did since the last call.
    pub fn end_interval(&self) -> WorkerInterval {
        let mut state = lock_ignoring_poison(&self.state);
        let elapsed = state.running.as_ref().map(|(began, _)| began.elapsed()).unwrap_or_default();
        let total = state.busy + elapsed;
        let interval = WorkerInterval {
            completed: std::mem::take(&mut state.completed),
            busy: total.saturating_sub(state.reported),
            elapsed,
            longest: std::mem::take(&mut state.longest),
        };
        state.reported = total;
        interval
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_interval_of_an_interpreter_is_taken_once() {
        let meter = InterpreterMeter::new("shop".to_owned(), 0, 2);
        meter.record(Phase::Queue, Duration::from_millis(3));
        meter.record_response(204, 10, 1);
        meter.record_response(503, 5, 2);
        meter.record_response(700, 0, 0);
        meter.record_input(7, 1);
        let interval = meter.end_interval();
        assert_eq!((interval.requests(), interval.answers), (2, [0, 1, 0, 0, 1]));
        assert_eq!((interval.output_bytes, interval.output_writes, interval.input_bytes), (15, 3, 7));
        assert_eq!(interval.phases[1].count(), 1);
        assert_eq!(interval.input_reads, 1);
        assert_eq!(meter.end_interval(), InterpreterInterval::default());
    }

    #[test]
    fn the_switch_interval_is_read_once_an_interval() {
        let meter = InterpreterMeter::new(String::new(), 0, 1);
        assert!(meter.take_switch_interval_request() && !meter.take_switch_interval_request());
        assert_eq!(meter.switch_interval(), None);
        meter.set_switch_interval(0.005);
        meter.end_interval();
        assert_eq!((meter.switch_interval(), meter.take_switch_interval_request()), (Some(0.005), true));
    }

    #[test]
    fn a_thread_is_busy_while_a_request_runs() {
        let worker = WorkerMeter::default();
        worker.thread.store(11, Ordering::Relaxed);
        assert_eq!(worker.end_interval(), WorkerInterval::default());
        let trace = Arc::new(RequestTrace::new(1, None));
        worker.begin_request(&trace);
        std::thread::sleep(Duration::from_millis(20));
        let first = worker.end_interval();
        assert!(first.busy >= Duration::from_millis(20) && first.elapsed >= first.busy);
        assert_eq!((first.completed, trace.thread.load(Ordering::Relaxed)), (0, 11));
        assert!(worker.running().is_some());
        worker.end_request();
        worker.end_request();
        let second = worker.end_interval();
        // What the first interval had is not counted again.
        assert!(second.busy < Duration::from_millis(20), "{second:?}");
        assert!(second.completed == 1 && second.longest >= first.busy && second.elapsed.is_zero());
        assert!(worker.running().is_none());
    }
}
