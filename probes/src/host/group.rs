//! An application group: its queue, its interpreters, and their threads.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::{self, Mode};
use super::exchange::Job;
use super::guard;
use super::log::say;
use super::meter::Meter;
use super::worker::{Handle, Interior, sibling, work};
use crate::interpreter::{OWN_GIL, shared_gil};
use crate::python::{self, PyInterpreterConfig};

/// Where requests for a group go in.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) meter: Arc<Meter>,
    queue: crossbeam_channel::Sender<Option<Job>>,
    /// As many permits as requests may be worked on or wait.
    room: Arc<Semaphore>,
    /// Threads that take from it.
    threads: usize,
}

/// A group's interpreters, to be waited for.
pub(super) struct Running {
    pub(super) group: Arc<Group>,
    interpreters: Vec<JoinHandle<bool>>,
}

impl Group {
    /// A place at a thread or in the queue, if there is one left.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Hands a request over, without waiting. Whether anybody takes it.
    pub(super) fn take(&self, job: Job) -> bool {
        self.queue.send(Some(job)).is_ok()
    }
}

/// What each interpreter of a group is made of.
#[derive(Clone)]
struct Recipe {
    mode: Mode,
    configuration: Option<PyInterpreterConfig>,
    settings: String,
    threads: usize,
    queue: crossbeam_channel::Receiver<Option<Job>>,
    meter: Arc<Meter>,
}

impl Running {
    /// Starts the interpreters and imports the application in each. Nobody may hold the main GIL meanwhile.
    ///
    /// # Errors
    /// Why the first of them failed, if one did; those that started are ended.
    pub(super) fn start(plan: &config::Group, path: &[String], free_threaded: bool) -> Result<Self, String> {
        let (queue, receiver) = crossbeam_channel::unbounded();
        let configuration = match plan.mode {
            Mode::Main | Mode::FreeThreaded => None,
            Mode::SharedGil => Some(shared_gil(free_threaded)),
            Mode::OwnGil => Some(OWN_GIL),
        };
        let settings = serde_json::json!({
            "application": plan.application,
            "path": path,
            "group": plan.name,
            "mode": plan.mode.name(),
            "switch_interval": plan.switch_interval,
            "guard": guard::is_on(),
            "multithread": plan.threads > 1,
            // Equal interpreters share no state, as processes do not: that is what an application asks.
            "multiprocess": plan.interpreters > 1,
        });
        let recipe = Recipe {
            mode: plan.mode,
            configuration,
            settings: settings.to_string(),
            threads: plan.threads,
            queue: receiver,
            meter: Arc::default(),
        };
        let meter = Arc::clone(&recipe.meter);
        let mut interpreters = Vec::new();
        let mut failure = None;
        for _ in 0..plan.interpreters {
            let recipe = recipe.clone();
            let (started, outcome) = channel();
            interpreters.push(std::thread::spawn(move || recipe.live(&started)));
            if let Err(why) = outcome.recv().unwrap_or_else(|_| Err("its thread ended".to_owned())) {
                failure = Some(why);
                break;
            }
        }
        let threads = plan.threads * interpreters.len();
        let room = Arc::new(Semaphore::new(threads.saturating_add(plan.queue).min(Semaphore::MAX_PERMITS)));
        let group = Group { name: plan.name.clone(), mode: plan.mode, meter, queue, room, threads };
        let running = Self { group: Arc::new(group), interpreters };
        match failure {
            None => Ok(running),
            Some(why) => {
                running.group.stop(running.group.threads - plan.threads);
                running.interpreters.into_iter().for_each(|thread| drop(thread.join()));
                Err(why)
            }
        }
    }

    /// Tells every thread to stop after what is queued.
    pub(super) fn stop(&self) {
        self.group.stop(self.group.threads);
    }

    /// Sends what became of the interpreters, when they have ended: whether all did cleanly.
    pub(super) fn wait(self, ended: Sender<(String, bool)>) {
        std::thread::spawn(move || {
            let clean = self.interpreters.into_iter().all(|thread| thread.join().unwrap_or(false));
            drop(ended.send((self.group.name.clone(), clean)));
        });
    }
}

impl Group {
    fn stop(&self, threads: usize) {
        for _ in 0..threads {
            drop(self.queue.send(None));
        }
    }
}

impl Recipe {
    /// An interpreter's whole life, on the thread that is its main one. Like mod_wsgi's request thread it
    /// first holds the main interpreter. Returns whether it ended cleanly.
    fn live(self, started: &Sender<Result<(), String>>) -> bool {
        // SAFETY: thread states are made, entered and left on this thread alone, each left before the next
        // is entered; siblings end before the interpreter does.
        unsafe {
            let ensured = python::PyGILState_Ensure();
            let outer = python::PyThreadState_Get();
            let mut inner = outer;
            if let Some(configuration) = &self.configuration {
                let Some(new_interpreter) = python::new_interpreter() else {
                    python::PyGILState_Release(ensured);
                    drop(started.send(Err("this Python has no Py_NewInterpreterFromConfig".to_owned())));
                    return false;
                };
                inner = null_mut();
                if let Some(error) = new_interpreter(&mut inner, configuration).error() {
                    python::PyGILState_Release(ensured);
                    drop(started.send(Err(format!("its interpreter cannot be created: {error}"))));
                    return false;
                }
            }
            guard::enrol(self.mode);
            let clean = match Interior::new(&self.settings) {
                Err(why) => {
                    drop(started.send(Err(why)));
                    true
                }
                Ok(interior) => {
                    let interior = Arc::new(interior);
                    let handle = Handle(python::PyInterpreterState_Get());
                    python::PyEval_SaveThread();
                    let siblings: Vec<_> = (1..self.threads)
                        .map(|_| {
                            let (interior, queue) = (Arc::clone(&interior), self.queue.clone());
                            let meter = Arc::clone(&self.meter);
                            // SAFETY: joined below, before the interpreter ends.
                            std::thread::spawn(move || sibling(handle, &interior, &queue, &meter))
                        })
                        .collect();
                    drop(started.send(Ok(())));
                    work(inner, &interior, &self.queue, &self.meter);
                    siblings.into_iter().for_each(|thread| drop(thread.join()));
                    python::PyEval_RestoreThread(inner);
                    if interior.call(c"end").is_none() {
                        say(&format!("at the end of an interpreter: {}", python::take_error()));
                    }
                    drop(interior);
                    true
                }
            };
            if self.configuration.is_none() {
                python::PyGILState_Release(ensured);
                return clean;
            }
            // CPython aborts where other thread states are left (`Py_EndInterpreter: not the last thread`).
            let first = python::PyInterpreterState_ThreadHead(python::PyInterpreterState_Get());
            if !python::PyThreadState_Next(first).is_null() {
                say("an interpreter is left to the end of the process: the application's threads still run");
                python::PyEval_SaveThread();
                return false;
            }
            python::Py_EndInterpreter(inner);
            python::PyEval_RestoreThread(outer);
            python::PyGILState_Release(ensured);
            clean
        }
    }
}

/// Waits for the interpreters of all groups, until the deadline. Whether all ended cleanly; `None` where
/// some did not end.
pub(super) fn wait(groups: Vec<Running>, deadline: std::time::Instant) -> Option<bool> {
    let (ended, ends): (_, Receiver<(String, bool)>) = channel();
    let count = groups.len();
    groups.into_iter().for_each(|group| group.wait(ended.clone()));
    let mut clean = true;
    for _ in 0..count {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        clean &= ends.recv_timeout(left).ok()?.1;
    }
    Some(clean)
}
