//! The last slow requests, for the metrics and the live page.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::request_trace::RequestTrace;
use super::slow_request::{SlowRequest, SlowResponse};
use super::stack::{MissingStack, StackSample};
use crate::lock::lock_ignoring_poison;

/// Requests that are kept.
const MAX_SLOW: usize = 50;

/// Characters of a path that are shown.
const MAX_PATH: usize = 500;

/// The last slow requests of a process.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<VecDeque<SlowEntry>>);

#[derive(Debug)]
struct SlowEntry {
    trace: Arc<RequestTrace>,
    /// Its interpreter, if one has taken it.
    interpreter: String,
    /// How long it took, and its response; `None` while it runs.
    end: Option<(Duration, SlowResponse)>,
}

impl SlowLog {
    /// Adds a request that runs.
    pub fn add_running(&self, interpreter: &str, trace: &Arc<RequestTrace>) {
        self.put(interpreter, trace, None);
    }

    /// Notes the end of a request, which need not be listed yet.
    pub fn note_end(&self, interpreter: &str, slow: &SlowRequest) {
        self.put(interpreter, &slow.trace, slow.response.map(|response| (slow.duration, response)));
    }

    /// Adds a request, or updates it if it is listed: it may end before [`add_running`](Self::add_running) is called.
    fn put(&self, interpreter: &str, trace: &Arc<RequestTrace>, end: Option<(Duration, SlowResponse)>) {
        let mut entries = lock_ignoring_poison(&self.0);
        if let Some(entry) = entries.iter_mut().rev().find(|entry| Arc::ptr_eq(&entry.trace, trace)) {
            entry.end = end.or(entry.end);
            return;
        }
        if end.is_some() {
            // It ended before its stack was wanted. Has no effect if there is a stack.
            let _ = trace.stack.set(StackSample::Missing(MissingStack::Ended));
        }
        entries.push_back(SlowEntry { trace: Arc::clone(trace), interpreter: interpreter.to_owned(), end });
        if entries.len() > MAX_SLOW {
            entries.pop_front();
        }
    }

    /// Returns what is known of each, the latest first. Times are in seconds.
    pub fn to_json(&self) -> Value {
        lock_ignoring_poison(&self.0).iter().rev().map(SlowEntry::to_json).collect()
    }
}

impl SlowEntry {
    fn to_json(&self) -> Value {
        let trace = &self.trace;
        let seconds = |time: Duration| time.as_secs_f64();
        let duration = self.end.map_or_else(|| trace.began.elapsed(), |(took, _)| took);
        let path = trace.identity.as_ref().map(|identity| identity.uri.path()).unwrap_or_default();
        let (frames, is_cut, missing) = match trace.stack.get() {
            Some(StackSample::Frames { frames, is_cut }) => (json!(frames), *is_cut, None),
            Some(StackSample::Missing(why)) => (Value::Null, false, Some(why.describe())),
            None => (Value::Null, false, None),
        };
        json!({
            "start": trace.start,
            "interpreter": self.interpreter,
            "thread": trace.thread.load(Ordering::Relaxed),
            "method": trace.identity.as_ref().map(|identity| identity.method.as_str()),
            "path": path.chars().take(MAX_PATH).collect::<String>(),
            "is_complete": self.end.is_some(),
            "status": self.end.map(|(_, response)| response.status),
            "duration": seconds(duration),
            "queue": seconds(trace.queue_time().unwrap_or_default()),
            "application": seconds(trace.application_time_so_far()),
            "gil_wait": seconds(trace.gil_wait().0),
            "stack": frames,
            "is_stack_cut": is_cut,
            "stack_missing": missing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::stack::StackFrame;
    use super::*;

    #[test]
    fn a_request_is_listed_once_with_what_is_known_of_it() {
        let log = SlowLog::default();
        let trace = Arc::new(RequestTrace::new(1, None));
        log.add_running("shop/1", &trace);
        let entry = &log.to_json()[0];
        assert_eq!((&entry["is_complete"], &entry["status"]), (&json!(false), &Value::Null));
        let frames = vec![StackFrame::new("view", "a.py", 3, &[])];
        trace.stack.set(StackSample::Frames { frames, is_cut: false }).unwrap();
        let response = Some(SlowResponse { status: 200, bytes: 1, pieces: 1, active: 1 });
        let slow = SlowRequest { trace, duration: Duration::from_secs(2), response };
        log.note_end("shop/1", &slow);
        let all = log.to_json();
        assert_eq!(all.as_array().map(Vec::len), Some(1));
        assert_eq!((&all[0]["duration"], &all[0]["status"]), (&json!(2.0), &json!(200)));
        assert_eq!(all[0]["stack"], json!([{"function": "view", "file": "a.py", "line": 3}]));
    }

    #[test]
    fn a_request_that_ended_before_it_was_found_is_listed_once_and_complete() {
        let log = SlowLog::default();
        let trace = Arc::new(RequestTrace::new(1, None));
        let response = Some(SlowResponse { status: 200, bytes: 1, pieces: 1, active: 1 });
        log.note_end(
            "shop/1",
            &SlowRequest { trace: Arc::clone(&trace), duration: Duration::from_secs(2), response },
        );
        log.add_running("shop/1", &trace);
        let all = log.to_json();
        assert_eq!(all.as_array().map(Vec::len), Some(1));
        assert_eq!(all[0]["is_complete"], json!(true));
        assert!(all[0]["stack_missing"].as_str().is_some_and(|why| why.contains("ended before")));
    }

    #[test]
    fn the_last_ones_are_kept_the_latest_first() {
        let log = SlowLog::default();
        for number in 0..MAX_SLOW + 5 {
            let trace = Arc::new(RequestTrace::new(1, None));
            trace.stack.set(StackSample::Missing(MissingStack::Ended)).unwrap();
            log.add_running(&number.to_string(), &trace);
        }
        let all = log.to_json();
        assert_eq!(all.as_array().map(Vec::len), Some(MAX_SLOW));
        assert_eq!((&all[0]["interpreter"], &all[MAX_SLOW - 1]["interpreter"]), (&json!("54"), &json!("5")));
        assert!(all[0]["stack_missing"].as_str().is_some_and(|why| why.contains("ended before")));
    }
}
