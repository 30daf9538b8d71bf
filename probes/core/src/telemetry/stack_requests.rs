//! Requests for stacks, from the thread that finds slow requests to the thread that reads stacks in their interpreter.
//! The first one never waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::request_trace::RequestTrace;
use super::stack::{MissingStack, StackSample};
use crate::lock::lock_ignoring_poison;

/// Stacks that may be wanted at the same time.
const MAX_WANTED: usize = 64;

/// A stack that is wanted.
#[derive(Clone, Debug)]
pub struct WantedStack {
    /// Which of the interpreter's threads is at the request.
    pub worker: usize,
    /// The request.
    pub trace: Arc<RequestTrace>,
}

/// The stacks that are wanted of an interpreter.
#[derive(Debug, Default)]
pub struct StackRequests {
    state: Mutex<RequestsState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct RequestsState {
    wanted: VecDeque<WantedStack>,
    reader: ReaderState,
}

/// Whether a thread reads stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ReaderState {
    /// No thread reads stacks: Python has no GIL.
    #[default]
    Absent,
    Open,
    /// It has ended.
    Closed,
}

impl StackRequests {
    /// Notes that a thread reads stacks from now on.
    pub fn open(&self) {
        lock_ignoring_poison(&self.state).reader = ReaderState::Open;
    }

    /// Ends that thread, once it is done with what it is at.
    pub fn close(&self) {
        let mut state = lock_ignoring_poison(&self.state);
        state.reader = ReaderState::Closed;
        for wanted in state.wanted.drain(..) {
            let _ = wanted.trace.stack.set(StackSample::Missing(MissingStack::NoReader));
        }
        self.changed.notify_all();
    }

    /// Asks for a stack.
    ///
    /// # Errors
    /// If no thread reads stacks, or too many are wanted.
    pub fn request(&self, worker: usize, trace: &Arc<RequestTrace>) -> Result<(), MissingStack> {
        let mut state = lock_ignoring_poison(&self.state);
        match state.reader {
            ReaderState::Absent => return Err(MissingStack::FreeThreaded),
            ReaderState::Closed => return Err(MissingStack::NoReader),
            ReaderState::Open => {}
        }
        if state.wanted.len() >= MAX_WANTED {
            return Err(MissingStack::TooMany);
        }
        state.wanted.push_back(WantedStack { worker, trace: Arc::clone(trace) });
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for a request; `None` at the end.
    pub fn wait_for_request(&self) -> Option<WantedStack> {
        let mut state = lock_ignoring_poison(&self.state);
        loop {
            if state.reader != ReaderState::Open {
                return None;
            }
            if let Some(wanted) = state.wanted.pop_front() {
                return Some(wanted);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_handed_over_until_the_end() {
        let requests = Arc::new(StackRequests::default());
        let trace = Arc::new(RequestTrace::new(1, None));
        assert_eq!(requests.request(0, &trace), Err(MissingStack::FreeThreaded));
        assert!(requests.wait_for_request().is_none());
        requests.open();
        let reader = {
            let requests = Arc::clone(&requests);
            std::thread::spawn(move || {
                let mut workers = Vec::new();
                while let Some(wanted) = requests.wait_for_request() {
                    workers.push(wanted.worker);
                    if workers.len() == 2 {
                        requests.close();
                    }
                }
                workers
            })
        };
        requests.request(3, &trace).unwrap();
        requests.request(5, &trace).unwrap();
        assert_eq!(reader.join().unwrap(), [3, 5]);
        assert_eq!(requests.request(0, &trace), Err(MissingStack::NoReader));
    }

    #[test]
    fn there_is_a_limit() {
        let (requests, trace) = (StackRequests::default(), Arc::new(RequestTrace::new(1, None)));
        requests.open();
        let results: Vec<_> = (0..=MAX_WANTED).map(|worker| requests.request(worker, &trace)).collect();
        assert!(results.iter().take(MAX_WANTED).all(Result::is_ok));
        assert_eq!(results.last(), Some(&Err(MissingStack::TooMany)));
        requests.close();
        assert_eq!(trace.stack.get(), Some(&StackSample::Missing(MissingStack::NoReader)));
    }
}
