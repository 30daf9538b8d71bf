//! Application groups: their request queues, interpreters and threads.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wsgiaudit_probes_core::group_meter::Meter;
use wsgiaudit_probes_core::host_config::{GroupConfig, InterpreterMode};
use wsgiaudit_probes_core::telemetry::interpreter_meter::InterpreterMeter;

use super::import_guard;
use super::log::{log_error, log_settings, log_warning};
use super::request_exchange::{RequestJob, WorkerCommand};
use super::source_reports;
use super::stack_sampler::read_wanted_stacks;
use super::worker_thread::{InterpreterHandle, WsgiRuntime, run_sibling_thread, serve_jobs};
use super::worker_watch::WorkerContext;
use crate::copies;
use crate::interpreter::{OWN_GIL, shared_gil_config};
use crate::python::{self, PyInterpreterConfig};

/// A running application group as the HTTP side sees it: its name, its metrics and its request queue.
pub(super) struct ApplicationGroup {
    pub(super) name: String,
    pub(super) mode: InterpreterMode,
    /// Whether its prefixes are mounts.
    pub(super) is_mounted: bool,
    pub(super) meter: Arc<Meter>,
    queue: crossbeam_channel::Sender<WorkerCommand>,
    /// One permit for each request that may be processed or queued.
    permits: Arc<Semaphore>,
    /// Number of threads that take jobs from the queue.
    threads: usize,
}

/// The interpreters of a group, to be joined at shutdown.
pub(super) struct RunningGroup {
    pub(super) group: Arc<ApplicationGroup>,
    interpreters: Vec<JoinHandle<InterpreterEnd>>,
}

/// How an interpreter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InterpreterEnd {
    /// It ended, or it is the main interpreter, which ends later.
    Clean,
    /// It could not be created or ended.
    Unclean,
}

/// How the interpreters of all groups ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupsEnd {
    /// All of them ended.
    Clean,
    /// At least one of them could not be created or ended.
    Unclean,
    /// At least one of them still ran at the deadline.
    Deadline,
}

impl ApplicationGroup {
    /// Reserves capacity for one request; `None` if all threads are busy and the queue is full.
    pub(super) fn try_reserve(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Whether a request would not be served: the queue is full, or it does not move.
    pub(super) fn is_full(&self) -> bool {
        self.permits.available_permits() == 0 || self.is_stuck()
    }

    /// Whether every thread runs a request that is late, so that the queue does not move.
    pub(super) fn is_stuck(&self) -> bool {
        usize::try_from(self.meter.stuck.load(Ordering::Relaxed)).is_ok_and(|stuck| stuck >= self.threads)
    }

    /// Queues a job without waiting. Returns false if the group has stopped.
    pub(super) fn enqueue_job(&self, job: RequestJob) -> bool {
        self.queue.send(WorkerCommand::Serve(job)).is_ok()
    }
}

/// Adds what measures an interpreter of a group, and returns it.
fn add_interpreter(
    all: &mut Vec<Arc<InterpreterMeter>>,
    plan: &GroupConfig,
    number: usize,
) -> Arc<InterpreterMeter> {
    let name = match plan.interpreters {
        1 => plan.name.clone(),
        _ => format!("{}/{number}", plan.name),
    };
    let meter = Arc::new(InterpreterMeter::new(name, all.len(), plan.threads));
    all.push(Arc::clone(&meter));
    meter
}

/// Everything needed to create an interpreter of a group.
#[derive(Clone)]
struct InterpreterSpec {
    mode: InterpreterMode,
    configuration: Option<PyInterpreterConfig>,
    settings: String,
    threads: usize,
    context: WorkerContext,
    /// The folders of the application, for the stacks of its slow requests; `None` if these are not read.
    stack_folders: Option<Vec<String>>,
}

impl RunningGroup {
    /// Starts the interpreters and imports the application in each. No thread may hold the main interpreter's
    /// GIL meanwhile. What measures them is added to `telemetry`, if there is any.
    ///
    /// # Errors
    /// The reason why the first interpreter failed; interpreters already started are ended.
    pub(super) fn start_group(
        plan: &GroupConfig,
        path: &[String],
        free_threaded: bool,
        mut telemetry: Option<&mut Vec<Arc<InterpreterMeter>>>,
    ) -> Result<Self, String> {
        let (queue, receiver) = crossbeam_channel::unbounded();
        let configuration = match plan.mode {
            InterpreterMode::Main | InterpreterMode::FreeThreaded => None,
            InterpreterMode::SharedGil => Some(shared_gil_config(free_threaded)),
            InterpreterMode::OwnGil | InterpreterMode::OwnGilCopies => Some(OWN_GIL),
        };
        let settings = serde_json::json!({
            "application": plan.application,
            "path": path,
            "group": plan.name,
            "mode": plan.mode.name(),
            "switch_interval": plan.switch_interval,
            "reload": source_reports::is_watched(),
            "guard": import_guard::is_installed(),
            "log_format": log_settings().format,
            "multithread": plan.threads > 1,
            // Identical interpreters share no state, like processes, so `wsgi.multiprocess` is true for them.
            "multiprocess": plan.interpreters > 1 || plan.processes > 1,
        });
        let spec = InterpreterSpec {
            mode: plan.mode,
            configuration,
            settings: settings.to_string(),
            threads: plan.threads,
            context: WorkerContext { queue: receiver, meter: Arc::default(), interpreter: None, worker: 0 },
            // Under free threading, no lock stops a thread whose frames are read.
            stack_folders: (plan.reads_stacks && !free_threaded).then(|| path.to_vec()),
        };
        let meter = Arc::clone(&spec.context.meter);
        let (mut interpreters, mut serving) = (Vec::new(), 0);
        let mut failure = None;
        for number in 1..=plan.interpreters {
            let mut spec = spec.clone();
            spec.context.interpreter = telemetry.as_mut().map(|all| add_interpreter(all, plan, number));
            let (started, outcome) = channel();
            match std::thread::Builder::new().spawn(move || spec.run_interpreter(&started)) {
                Ok(thread) => interpreters.push(thread),
                Err(error) => {
                    failure = Some(format!("cannot start a thread: {error}"));
                    break;
                }
            }
            if let Err(why) = outcome.recv().unwrap_or_else(|_| Err("its thread ended".to_owned())) {
                failure = Some(why);
                break;
            }
            serving += plan.threads;
        }
        let threads = plan.threads * interpreters.len();
        let permits =
            Arc::new(Semaphore::new(threads.saturating_add(plan.queue).min(Semaphore::MAX_PERMITS)));
        let group = ApplicationGroup {
            name: plan.name.clone(),
            mode: plan.mode,
            is_mounted: plan.is_mounted,
            meter,
            queue,
            permits,
            threads,
        };
        let running = Self { group: Arc::new(group), interpreters };
        match failure {
            None => Ok(running),
            Some(why) => {
                running.group.stop_threads(serving);
                running.interpreters.into_iter().for_each(|thread| drop(thread.join()));
                Err(why)
            }
        }
    }

    /// Tells every thread to stop once the queue is empty.
    pub(super) fn stop_all_threads(&self) {
        self.group.stop_threads(self.group.threads);
    }

    /// Joins the interpreters in the background, then sends how they ended.
    fn notify_when_ended(self, ended: Sender<InterpreterEnd>) {
        std::thread::spawn(move || {
            let is_clean = |thread: JoinHandle<InterpreterEnd>| {
                thread.join().unwrap_or(InterpreterEnd::Unclean) == InterpreterEnd::Clean
            };
            let are_clean = self.interpreters.into_iter().all(is_clean);
            let _ = ended.send(if are_clean { InterpreterEnd::Clean } else { InterpreterEnd::Unclean });
        });
    }
}

impl ApplicationGroup {
    fn stop_threads(&self, threads: usize) {
        for _ in 0..threads {
            drop(self.queue.send(WorkerCommand::Stop));
        }
    }
}

impl InterpreterSpec {
    /// Runs an interpreter from start to end on its first thread. Like mod_wsgi's request threads, this
    /// thread attaches to the main interpreter first.
    fn run_interpreter(self, started: &Sender<Result<(), String>>) -> InterpreterEnd {
        // SAFETY: thread states are created, attached and detached on this thread only, one at a time;
        // sibling threads are joined before the interpreter ends.
        unsafe {
            let ensured = python::PyGILState_Ensure();
            let outer = python::PyThreadState_Get();
            let mut inner = outer;
            if let Some(configuration) = &self.configuration {
                let Some(new_interpreter) = python::find_new_interpreter_function() else {
                    python::PyGILState_Release(ensured);
                    drop(started.send(Err("this Python has no Py_NewInterpreterFromConfig".to_owned())));
                    return InterpreterEnd::Unclean;
                };
                inner = null_mut();
                if let Some(error) = new_interpreter(&mut inner, configuration).error_message() {
                    python::PyGILState_Release(ensured);
                    drop(started.send(Err(format!("cannot create its interpreter: {error}"))));
                    return InterpreterEnd::Unclean;
                }
            }
            import_guard::register_interpreter(self.mode);
            let prepared = match self.mode {
                InterpreterMode::OwnGilCopies => copies::install_next_tree(),
                InterpreterMode::Main
                | InterpreterMode::SharedGil
                | InterpreterMode::OwnGil
                | InterpreterMode::FreeThreaded => Ok(()),
            };
            match prepared.and_then(|()| WsgiRuntime::new(&self.settings)) {
                Err(why) => drop(started.send(Err(why))),
                Ok(runtime) => {
                    let runtime = Arc::new(runtime);
                    let handle = InterpreterHandle(python::PyInterpreterState_Get());
                    python::PyEval_SaveThread();
                    match self.start_siblings(handle, &runtime) {
                        Err(error) => drop(started.send(Err(format!("cannot start a thread: {error}")))),
                        Ok(siblings) => {
                            drop(started.send(Ok(())));
                            serve_jobs(inner, &runtime, &self.context);
                            self.close_stack_requests();
                            siblings.into_iter().for_each(|thread| drop(thread.join()));
                        }
                    }
                    python::PyEval_RestoreThread(inner);
                    if runtime.call_function(c"end").is_none() {
                        log_error(&format!("error while ending an interpreter: {}", python::take_error()));
                    }
                    drop(runtime);
                }
            }
            if self.configuration.is_none() {
                python::PyGILState_Release(ensured);
                return InterpreterEnd::Clean;
            }
            // CPython aborts if other thread states are left (`Py_EndInterpreter: not the last thread`).
            let first = python::PyInterpreterState_ThreadHead(python::PyInterpreterState_Get());
            if !python::PyThreadState_Next(first).is_null() {
                log_warning(
                    "an interpreter could not be ended: threads of the application are still running",
                );
                python::PyEval_SaveThread();
                return InterpreterEnd::Unclean;
            }
            python::Py_EndInterpreter(inner);
            python::PyEval_RestoreThread(outer);
            python::PyGILState_Release(ensured);
            InterpreterEnd::Clean
        }
    }
}

impl InterpreterSpec {
    /// Starts the further threads of an interpreter, to be joined before it ends. If one cannot be started, the
    /// others end without having touched Python.
    ///
    /// # Safety
    /// The interpreter outlives the threads; this thread is detached from it.
    unsafe fn start_siblings(
        &self,
        interpreter: InterpreterHandle,
        runtime: &Arc<WsgiRuntime>,
    ) -> std::io::Result<Vec<JoinHandle<()>>> {
        let (begin, begun) = crossbeam_channel::bounded::<()>(self.threads);
        let mut siblings = Vec::new();
        for worker in 1..self.threads {
            let (runtime, begun) = (Arc::clone(runtime), begun.clone());
            let context = WorkerContext { worker, ..self.context.clone() };
            let run = move || {
                if begun.recv().is_ok() {
                    // SAFETY: guaranteed by the caller.
                    unsafe { run_sibling_thread(interpreter, &runtime, &context) };
                }
            };
            match std::thread::Builder::new().spawn(run) {
                Ok(thread) => siblings.push(thread),
                Err(error) => {
                    drop(begin);
                    siblings.into_iter().for_each(|thread| drop(thread.join()));
                    return Err(error);
                }
            }
        }
        // SAFETY: guaranteed by the caller.
        match unsafe { self.start_stack_sampler(interpreter) } {
            Ok(sampler) => siblings.extend(sampler),
            // Slow requests have no stacks then.
            Err(error) => log_warning(&format!("cannot start a thread that reads stacks: {error}")),
        }
        for _ in 1..self.threads {
            // Fails only if the thread has ended.
            let _ = begin.send(());
        }
        Ok(siblings)
    }
}

impl InterpreterSpec {
    /// Starts the thread that reads the stacks of slow requests, if they are wanted, to be joined before the interpreter
    /// ends.
    ///
    /// # Safety
    /// The interpreter outlives the thread.
    unsafe fn start_stack_sampler(
        &self,
        interpreter: InterpreterHandle,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        let (Some(folders), Some(meter)) = (self.stack_folders.clone(), self.context.interpreter.clone())
        else {
            return Ok(None);
        };
        meter.stack_requests.open();
        let read = {
            let meter = Arc::clone(&meter);
            // SAFETY: guaranteed by the caller.
            move || unsafe { read_wanted_stacks(interpreter, &meter, &folders) }
        };
        let started = std::thread::Builder::new().name("wsgiaudit-stack".to_owned()).spawn(read);
        if started.is_err() {
            meter.stack_requests.close();
        }
        started.map(Some)
    }

    fn close_stack_requests(&self) {
        if let Some(meter) = &self.context.interpreter {
            meter.stack_requests.close();
        }
    }
}

/// Waits until the interpreters of all groups have ended, or until the deadline.
pub(super) fn wait_for_groups(groups: Vec<RunningGroup>, deadline: Instant) -> GroupsEnd {
    let (ended, ends): (_, Receiver<InterpreterEnd>) = channel();
    let count = groups.len();
    groups.into_iter().for_each(|group| group.notify_when_ended(ended.clone()));
    let mut end = GroupsEnd::Clean;
    for _ in 0..count {
        match ends.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(InterpreterEnd::Clean) => {}
            Ok(InterpreterEnd::Unclean) => end = GroupsEnd::Unclean,
            Err(_) => return GroupsEnd::Deadline,
        }
    }
    end
}
