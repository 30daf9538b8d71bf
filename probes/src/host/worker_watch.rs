//! What a thread that serves requests works for, and what is measured of it for telemetry and the live page. Without
//! either, nothing is measured.

use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::Receiver;
use wsgiaudit_probes_core::group_meter::Meter;
use wsgiaudit_probes_core::telemetry::interpreter_meter::{InterpreterMeter, WorkerMeter};
use wsgiaudit_probes_core::telemetry::phase_meter::Phase;

use super::gil::set_thread_trace;
use super::request_exchange::{RequestJob, WorkerCommand};
use crate::python::PyThreadState;

/// What a thread works for.
#[derive(Clone)]
pub(super) struct WorkerContext {
    /// The queue of its group.
    pub(super) queue: Receiver<WorkerCommand>,
    /// The metrics of its group.
    pub(super) meter: Arc<Meter>,
    /// What measures its interpreter, if telemetry is sent.
    pub(super) interpreter: Option<Arc<InterpreterMeter>>,
    /// Which of the interpreter's threads it is, from 0.
    pub(super) worker: usize,
}

/// Measures the thread that made it.
pub(super) struct WorkerWatch<'a> {
    measured: Option<(&'a InterpreterMeter, &'a WorkerMeter)>,
    /// CPU time of the thread when it took its request.
    cpu_before: Cell<(Duration, Duration)>,
}

impl<'a> WorkerWatch<'a> {
    /// Begins to measure this thread.
    pub(super) fn new(context: &'a WorkerContext) -> Self {
        let measured = context.interpreter.as_deref().and_then(|interpreter| {
            let worker = interpreter.workers.get(context.worker)?;
            // SAFETY: reads properties of this thread.
            unsafe {
                let mut clock = 0;
                if libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) == 0 {
                    worker.cpu_clock.store(clock, Ordering::Relaxed);
                }
                let thread = u64::try_from(libc::gettid()).unwrap_or(0);
                worker.thread.store(thread, Ordering::Relaxed);
            }
            Some((interpreter, worker))
        });
        Self { measured, cpu_before: Cell::default() }
    }

    /// Notes the thread state that runs the requests, until this is dropped. It must be alive until then.
    pub(super) fn set_thread_state(&self, state: *mut PyThreadState) {
        if let Some((_, worker)) = self.measured {
            worker.thread_state.store(state.cast(), Ordering::Release);
        }
    }

    /// Notes that the thread has taken a request, which waited for that long.
    pub(super) fn begin_request(&self, job: &RequestJob, queued: Duration) {
        let (Some((interpreter, worker)), Some(trace)) = (self.measured, job.exchange.trace()) else {
            return;
        };
        interpreter.record(Phase::Queue, queued);
        trace.interpreter.store(interpreter.index, Ordering::Relaxed);
        trace.set_queue_time(queued);
        if trace.identity.is_some() {
            let _ = trace.mount.set(job.mount.clone());
            self.cpu_before.set(read_thread_cpu());
        }
        worker.begin_request(trace);
        set_thread_trace(Some(trace));
    }

    /// Notes that the application is done with a request, after that long.
    pub(super) fn end_request(&self, job: &RequestJob, took: Duration) {
        let (Some((interpreter, worker)), Some(trace)) = (self.measured, job.exchange.trace()) else {
            return;
        };
        set_thread_trace(None);
        interpreter.record(Phase::Application, took);
        interpreter.record(Phase::GilWait, trace.gil_wait().0);
        if trace.identity.is_some() {
            let ((user, system), (user_before, system_before)) = (read_thread_cpu(), self.cpu_before.get());
            trace.set_cpu(user.saturating_sub(user_before), system.saturating_sub(system_before));
        }
        trace.set_application_time(took);
        worker.end_request();
    }

    /// Whether the switch interval of the interpreter is to be read now.
    pub(super) fn is_switch_interval_requested(&self) -> bool {
        self.measured.is_some_and(|(interpreter, _)| interpreter.take_switch_interval_request())
    }

    /// Keeps the switch interval of the interpreter.
    pub(super) fn set_switch_interval(&self, seconds: Option<f64>) {
        if let (Some((interpreter, _)), Some(seconds)) = (self.measured, seconds) {
            interpreter.set_switch_interval(seconds);
        }
    }
}

impl Drop for WorkerWatch<'_> {
    fn drop(&mut self) {
        if let Some((_, worker)) = self.measured {
            worker.thread_state.store(null_mut(), Ordering::Release);
        }
    }
}

/// CPU time of this thread, in the process and in the system for it.
fn read_thread_cpu() -> (Duration, Duration) {
    // SAFETY: the kernel fills the structure; all zeros is a valid value.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage
    };
    let time = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    (time(usage.ru_utime), time(usage.ru_stime))
}

/// CPU time of a thread so far, by its clock; zero if it has ended or not begun.
pub(super) fn read_cpu_clock(worker: &WorkerMeter) -> Duration {
    let clock = worker.cpu_clock.load(Ordering::Relaxed);
    if clock == 0 {
        return Duration::ZERO;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills the structure, or refuses a clock whose thread has ended.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}
