//! What is known of all processes. Whatever arrives, it stays within limits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::telemetry::datagram::{Datagram, DecodeError, Kind, field};
use serde::Serialize;

use super::sample::Sample;

const MAX_PROCESSES: usize = 1024;
const MAX_INTERPRETERS: usize = 256;
const MAX_SLOW: usize = 200;
const MAX_EVENTS: usize = 200;
/// Characters of a text that are kept.
const MAX_TEXT: usize = 200;

/// Figures are those of the last intervals, up to this many seconds.
const WINDOW: f64 = 10.0;

/// A process that has sent nothing for as many of its intervals is lost.
const LOST_AFTER_INTERVALS: f64 = 3.0;

/// More than this is not a gap in a sequence: it has begun again.
const MAX_GAP: u32 = 1_000_000;

/// How long a process that ended or was lost is still listed.
const KEPT: Duration = Duration::from_secs(30);

/// How long a slow request is listed that nothing more was heard of.
const SLOW_KEPT: Duration = Duration::from_secs(60);

/// All processes. Times of arrival are counted from the start of the command.
#[derive(Debug, Default)]
pub struct Fleet {
    pub(super) processes: BTreeMap<u32, Process>,
    /// The latest last.
    pub(super) slow: VecDeque<SlowRequest>,
    /// The latest last.
    pub(super) events: VecDeque<LifecycleEvent>,
    pub(super) received: u64,
    pub(super) damaged: u64,
    /// Datagrams that did not arrive, also of processes that are no longer listed.
    pub(super) missing: u64,
    /// Why the last datagram was not read.
    pub(super) last_error: Option<DecodeError>,
    /// The present time.
    pub(super) now: Duration,
}

/// A process.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) server: String,
    pub(super) python: String,
    pub(super) host: String,
    pub(super) group: String,
    /// What belongs to no interpreter: everything, if the server does not tell interpreters apart.
    pub(super) samples: SampleWindow,
    pub(super) interpreters: BTreeMap<String, SampleWindow>,
    pub(super) last_arrival: Duration,
    pub(super) state: ProcessState,
    /// Datagrams that are missing in the sequence.
    pub(super) missing: u64,
    last_sequence: Option<u32>,
    /// The length of the last interval, in seconds.
    period: Option<f64>,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ProcessState {
    /// It serves.
    #[default]
    Serving,
    /// It was told to end.
    Stopping,
    /// It ended, and said so.
    Stopped,
    /// It has fallen silent.
    Lost,
}

/// The last samples of a process or interpreter, with their arrival.
#[derive(Debug, Default)]
pub(super) struct SampleWindow(VecDeque<(Duration, Sample)>);

/// A request that took, or is taking, long.
#[derive(Clone, Debug, Serialize)]
pub struct SlowRequest {
    /// Its process.
    pub pid: u32,
    /// Whether its response is complete.
    pub is_complete: bool,
    /// How long it has taken.
    pub duration: f64,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// 0 before there is one.
    pub status: u64,
    /// How long it waited for a thread.
    pub queue: f64,
    /// Time in the application.
    pub application: f64,
    /// Waits for the GIL.
    pub gil_wait: f64,
    #[serde(skip)]
    start: f64,
    #[serde(skip)]
    thread: u64,
    #[serde(skip)]
    arrival: Duration,
}

/// Start or end of a process.
#[derive(Clone, Debug, Serialize)]
pub struct LifecycleEvent {
    /// `started`, `stopping` or `stopped`.
    pub event: &'static str,
    /// Its process.
    pub pid: u32,
    /// The process's group.
    pub group: String,
    /// Seconds since 1970.
    pub time: f64,
    /// Why it ends; empty for a start.
    pub reason: String,
    /// How long it served, in seconds, at its end.
    pub uptime: Option<f64>,
    /// Requests that it answered, at its end.
    pub requests: Option<u64>,
    /// Requests that were cut off.
    pub cut_off: Option<u64>,
}

impl Fleet {
    /// Takes in what has arrived.
    pub fn take_datagram(&mut self, bytes: &[u8], now: Duration) {
        match Datagram::decode(bytes) {
            Ok(datagram) => self.take_decoded(&datagram, now),
            Err(error) => {
                (self.now, self.received) = (now, self.received + 1);
                (self.damaged, self.last_error) = (self.damaged + 1, Some(error));
            }
        }
    }

    /// Takes in a datagram that has been decoded.
    pub fn take_decoded(&mut self, datagram: &Datagram, now: Duration) {
        (self.now, self.received) = (now, self.received + 1);
        self.apply(datagram);
    }

    fn apply(&mut self, datagram: &Datagram) {
        if !self.processes.contains_key(&datagram.pid) && self.processes.len() >= MAX_PROCESSES {
            return;
        }
        let now = self.now;
        let process = self.processes.entry(datagram.pid).or_default();
        let before = process.missing;
        process.note_arrival(datagram, now);
        self.missing += process.missing - before;
        match datagram.kind {
            Kind::SlowRequest => self.take_slow_request(datagram),
            Kind::ProcessStarted | Kind::ProcessStopping | Kind::ProcessStopped => self.take_event(datagram),
            Kind::Process | Kind::Request | Kind::Server | Kind::GcSnapshot | Kind::Other(_) => {
                process.take_sample(datagram, now);
            }
            Kind::GcEvent => {}
        }
    }

    fn take_slow_request(&mut self, datagram: &Datagram) {
        let number = |id| datagram.number(id).unwrap_or(0.0).max(0.0);
        let text = |id| read_text(datagram, id);
        let slow = SlowRequest {
            pid: datagram.pid,
            start: number(field::SLOW_START),
            thread: datagram.count(field::SLOW_THREAD).unwrap_or(0),
            duration: number(field::SLOW_DURATION),
            is_complete: datagram.count(field::SLOW_STATE) == Some(1),
            method: text(field::SLOW_METHOD),
            path: text(field::SLOW_SCRIPT_NAME) + &text(field::SLOW_PATH),
            status: datagram.count(field::SLOW_STATUS).unwrap_or(0),
            application: number(field::SLOW_APPLICATION_TIME),
            queue: number(field::SLOW_QUEUE_TIME),
            gil_wait: number(field::SLOW_GIL_WAIT_TIME),
            arrival: self.now,
        };
        let is_same = |other: &SlowRequest| {
            (other.pid, other.thread, other.start) == (slow.pid, slow.thread, slow.start)
        };
        self.slow.retain(|other| !is_same(other));
        self.slow.push_back(slow);
        if self.slow.len() > MAX_SLOW {
            self.slow.pop_front();
        }
    }

    fn take_event(&mut self, datagram: &Datagram) {
        let (state, event) = if datagram.kind == Kind::ProcessStopping {
            (ProcessState::Stopping, "stopping")
        } else if datagram.kind == Kind::ProcessStopped {
            (ProcessState::Stopped, "stopped")
        } else {
            (ProcessState::Serving, "started")
        };
        if let Some(process) = self.processes.get_mut(&datagram.pid) {
            process.state = state;
        }
        self.events.push_back(LifecycleEvent {
            event,
            pid: datagram.pid,
            group: read_text(datagram, field::PROCESS_GROUP),
            time: datagram.time,
            reason: read_text(datagram, field::STOP_REASON),
            uptime: datagram.number(field::UPTIME),
            requests: datagram.count(field::LIFETIME_REQUESTS),
            cut_off: datagram.count(field::ACTIVE_AT_EXIT),
        });
        if self.events.len() > MAX_EVENTS {
            self.events.pop_front();
        }
    }

    /// Notes that time has passed: finds processes that have fallen silent, and forgets those that are gone.
    pub fn pass_time(&mut self, now: Duration) {
        self.now = now;
        for process in self.processes.values_mut() {
            process.samples.forget_old(now);
            process.interpreters.values_mut().for_each(|samples| samples.forget_old(now));
            let patience = process.period.unwrap_or(1.0) * LOST_AFTER_INTERVALS;
            let patience = Duration::from_secs_f64(patience.clamp(1.0, 3600.0));
            let is_silent = now.saturating_sub(process.last_arrival) > patience;
            if is_silent && matches!(process.state, ProcessState::Serving | ProcessState::Stopping) {
                process.state = ProcessState::Lost;
            }
        }
        self.processes.retain(|_, process| {
            matches!(process.state, ProcessState::Serving | ProcessState::Stopping)
                || now.saturating_sub(process.last_arrival) <= KEPT
        });
        self.slow.retain(|slow| now.saturating_sub(slow.arrival) <= SLOW_KEPT);
    }

    /// Starts and ends of processes, the latest first.
    pub fn list_events(&self) -> Vec<LifecycleEvent> {
        self.events.iter().rev().cloned().collect()
    }

    /// The longest interval at which a process reports, in seconds.
    pub fn longest_interval(&self) -> Option<f64> {
        self.processes.values().filter_map(|process| process.period).reduce(f64::max)
    }

    /// Whether figures of a process have arrived.
    pub fn has_figures(&self) -> bool {
        self.processes
            .values()
            .flat_map(|process| process.interpreters.values().chain([&process.samples]))
            .any(|samples| !samples.0.is_empty())
    }
}

impl Process {
    fn note_arrival(&mut self, datagram: &Datagram, now: Duration) {
        self.last_arrival = now;
        let sequence = datagram.sequence;
        if let Some(last) = self.last_sequence {
            let step = sequence.wrapping_sub(last);
            // Another process of the same number starts again from 1.
            if step > 1 && step <= MAX_GAP && datagram.kind != Kind::ProcessStarted {
                self.missing += u64::from(step - 1);
            }
        }
        self.last_sequence = Some(sequence);
        if self.state == ProcessState::Lost {
            self.state = ProcessState::Serving;
        }
        for (text, id) in [
            (&mut self.server, field::SERVER_VERSION),
            (&mut self.python, field::PYTHON_VERSION),
            (&mut self.host, field::HOST_NAME),
            (&mut self.group, field::PROCESS_GROUP),
        ] {
            if datagram.find(id).is_some() {
                *text = read_text(datagram, id);
            }
        }
    }

    fn take_sample(&mut self, datagram: &Datagram, now: Duration) {
        let Some(sample) = Sample::from_datagram(datagram) else { return };
        self.period = Some(sample.period);
        match datagram.find(field::INTERPRETER_NAME) {
            None => self.samples.push(now, sample),
            Some(_) => {
                let name = read_text(datagram, field::INTERPRETER_NAME);
                if self.interpreters.contains_key(&name) || self.interpreters.len() < MAX_INTERPRETERS {
                    self.interpreters.entry(name).or_default().push(now, sample);
                }
            }
        }
    }
}

impl Process {
    /// The figures of the whole process: of its interpreters, and of what belongs to none.
    pub(super) fn join(&self) -> Option<Sample> {
        let parts = self.interpreters.values().chain([&self.samples]).filter_map(SampleWindow::join);
        parts.reduce(|mut sum, part| {
            sum.add_part(&part);
            sum
        })
    }
}

impl SampleWindow {
    fn push(&mut self, now: Duration, sample: Sample) {
        self.0.push_back((now, sample));
        let mut rest: f64 = self.0.iter().map(|(_, sample)| sample.period).sum();
        while self.0.len() > 1 && (rest > WINDOW + 0.5 || self.0.len() > 100) {
            rest -= self.0.pop_front().map_or(0.0, |(_, sample)| sample.period);
        }
    }

    /// Forgets what is older than the window; the last sample only if the next one is overdue, too.
    fn forget_old(&mut self, now: Duration) {
        let kept = |period: f64| Duration::from_secs_f64(WINDOW.max(period * LOST_AFTER_INTERVALS));
        self.0.retain(|(arrival, sample)| now.saturating_sub(*arrival) <= kept(sample.period));
    }

    /// All samples as one.
    pub(super) fn join(&self) -> Option<Sample> {
        let mut samples = self.0.iter().map(|(_, sample)| sample);
        let mut joined = samples.next()?.clone();
        samples.for_each(|sample| joined.append(sample));
        Some(joined)
    }
}

fn read_text(datagram: &Datagram, id: u16) -> String {
    datagram.text(id).unwrap_or_default().chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_datagrams::request_datagram;
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn lifecycle(kind: Kind, sequence: u32) -> Vec<u8> {
        let mut datagram = Datagram::new(kind, 7, sequence, 5.0);
        datagram.add_text(field::STOP_REASON, "maximum_requests");
        datagram.encode()
    }

    #[test]
    fn figures_are_those_of_the_last_seconds() {
        let mut fleet = Fleet::default();
        for second in 0..30 {
            fleet.take_datagram(&request_datagram(7, second, 0.5).encode(), at(second));
        }
        let joined = fleet.processes[&7].samples.join().unwrap();
        assert_eq!((joined.period, joined.requests), (10.0, (20..30).sum::<u64>()));
        assert_eq!((fleet.received, fleet.damaged, fleet.processes[&7].group.as_str()), (30, 0, "shop"));
    }

    #[test]
    fn an_interpreter_has_figures_of_its_own() {
        let mut fleet = Fleet::default();
        let mut own = request_datagram(7, 5, 0.5);
        own.add_text(field::INTERPRETER_NAME, "shop/1");
        fleet.take_datagram(&own.encode(), at(0));
        fleet.take_datagram(&request_datagram(7, 9, 0.5).encode(), at(0));
        let process = &fleet.processes[&7];
        assert_eq!(process.interpreters["shop/1"].join().unwrap().requests, 5);
        let all = process.join().unwrap();
        assert_eq!((all.requests, all.threads, all.busy), (14, Some(4), Some(0.5)));
        assert_eq!((all.period, all.memory, all.workers.len()), (1.0, Some(50_000_000), 4));
        fleet.pass_time(at(11));
        assert!(fleet.processes[&7].join().is_none());
    }

    #[test]
    fn what_is_missing_in_the_sequence_is_counted() {
        let mut fleet = Fleet::default();
        for sequence in [1, 2, 5, 4_000_000_000, 6] {
            let mut datagram = request_datagram(7, 1, 0.5);
            datagram.sequence = sequence;
            fleet.take_datagram(&datagram.encode(), at(0));
        }
        fleet.take_datagram(&lifecycle(Kind::ProcessStarted, 1), at(0));
        assert_eq!(fleet.processes[&7].missing, 2);
    }

    #[test]
    fn a_process_that_falls_silent_is_lost_and_later_forgotten() {
        let mut fleet = Fleet::default();
        fleet.take_datagram(&request_datagram(7, 1, 0.5).encode(), at(0));
        fleet.pass_time(at(3));
        assert_eq!(fleet.processes[&7].state, ProcessState::Serving);
        fleet.pass_time(at(4));
        assert_eq!(fleet.processes[&7].state, ProcessState::Lost);
        fleet.pass_time(at(31));
        assert!(fleet.processes.is_empty());
        for (kind, state) in [
            (Kind::ProcessStarted, ProcessState::Serving),
            (Kind::ProcessStopping, ProcessState::Stopping),
            (Kind::ProcessStopped, ProcessState::Stopped),
        ] {
            fleet.take_datagram(&lifecycle(kind, 1), at(40));
            assert_eq!(fleet.processes[&7].state, state);
        }
        fleet.pass_time(at(60));
        assert_eq!(fleet.processes[&7].state, ProcessState::Stopped);
        assert_eq!((fleet.events.len(), fleet.events[2].reason.as_str()), (3, "maximum_requests"));
    }

    #[test]
    fn a_slow_request_is_listed_once() {
        let mut fleet = Fleet::default();
        for (state, duration) in [(0, 1.0), (0, 2.0), (1, 2.5)] {
            let mut datagram = Datagram::new(Kind::SlowRequest, 7, 1, 0.0);
            datagram.add_count(field::SLOW_STATE, state);
            datagram.add_number(field::SLOW_DURATION, duration);
            fleet.take_datagram(&datagram.encode(), at(0));
        }
        assert_eq!((fleet.slow.len(), fleet.slow[0].duration, fleet.slow[0].is_complete), (1, 2.5, true));
        fleet.pass_time(at(61));
        assert!(fleet.slow.is_empty());
    }

    #[test]
    fn a_flood_stays_within_limits() {
        let mut fleet = Fleet::default();
        for number in 0..3000 {
            fleet.take_datagram(&request_datagram(number, 1, 0.5).encode(), at(0));
            let mut own = request_datagram(1, 1, 0.5);
            own.add_text(field::INTERPRETER_NAME, &format!("{number}{}", "x".repeat(1000)));
            fleet.take_datagram(&own.encode(), at(0));
            let mut slow = Datagram::new(Kind::SlowRequest, 1, 1, 0.0);
            slow.add_number(field::SLOW_START, f64::from(number));
            fleet.take_datagram(&slow.encode(), at(0));
            fleet.take_datagram(&lifecycle(Kind::ProcessStarted, number), at(0));
            fleet.take_datagram(b"rubbish", at(0));
        }
        assert_eq!((fleet.processes.len(), fleet.processes[&1].interpreters.len()), (1024, 256));
        assert!(fleet.processes[&1].interpreters.keys().all(|name| name.chars().count() <= 200));
        assert_eq!((fleet.slow.len(), fleet.events.len(), fleet.damaged), (200, 200, 3000));
        assert_eq!(fleet.last_error, Some(DecodeError::NotTelemetry));
    }
}
