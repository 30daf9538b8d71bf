//! The datagrams of a process's start and end.

use super::datagram::{Datagram, field};

/// What stays the same for the life of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// Version of Python.
    pub python: String,
    /// Name and version of the server.
    pub server: String,
    /// Name of the machine.
    pub host: String,
    /// What the processes of one supervisor have in common: the application that it was told to serve.
    pub group: String,
    /// The supervisor.
    pub parent: u32,
}

/// Why a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It answered as many requests as it may.
    MaximumRequests,
    /// A request took too long.
    RequestTimeout,
    /// It lived as long as it may.
    RestartInterval,
    /// It used too much memory.
    MemoryLimit,
    /// It was told to end.
    ShutdownSignal,
    /// Another process takes over.
    GracefulSignal,
}

impl StopReason {
    /// Its name, mod_wsgi's own where that has one (`memory_limit` it has not).
    pub fn name(self) -> &'static str {
        match self {
            Self::MaximumRequests => "maximum_requests",
            Self::RequestTimeout => "request_timeout",
            Self::RestartInterval => "restart_interval",
            Self::MemoryLimit => "memory_limit",
            Self::ShutdownSignal => "shutdown_signal",
            Self::GracefulSignal => "graceful_signal",
        }
    }
}

impl ProcessIdentity {
    /// Adds all of it.
    pub fn add_to(&self, datagram: &mut Datagram) {
        datagram.add_text(field::PYTHON_VERSION, &self.python);
        datagram.add_text(field::SERVER_VERSION, &self.server);
        self.add_names_to(datagram);
        datagram.add_count(field::PARENT_PID, self.parent.into());
    }

    /// Adds what the datagrams of a process's end have of it.
    fn add_names_to(&self, datagram: &mut Datagram) {
        datagram.add_text(field::HOST_NAME, &self.host);
        datagram.add_text(field::PROCESS_GROUP, &self.group);
    }

    /// Completes the datagram of a process that was told to end while it handled this many requests.
    pub fn describe_stopping(&self, datagram: &mut Datagram, reason: StopReason, active: u64) {
        self.add_names_to(datagram);
        datagram.add_text(field::STOP_REASON, reason.name());
        datagram.add_count(field::ACTIVE_AT_DECISION, active);
    }

    /// Completes the datagram of a process that ends.
    pub fn describe_stopped(&self, datagram: &mut Datagram, end: &ProcessEnd) {
        self.add_names_to(datagram);
        datagram.add_text(field::STOP_REASON, end.reason.name());
        datagram.add_number(field::UPTIME, end.uptime);
        datagram.add_count(field::LIFETIME_REQUESTS, end.requests);
        datagram.add_count(field::ACTIVE_AT_EXIT, end.active);
        datagram.add_count(field::IS_GRACEFUL, u64::from(end.active == 0));
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessEnd {
    /// Why.
    pub reason: StopReason,
    /// How long it served, in seconds.
    pub uptime: f64,
    /// Requests that it answered.
    pub requests: u64,
    /// Requests that it leaves unanswered.
    pub active: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::datagram::Kind;

    #[test]
    fn a_process_tells_its_start_and_its_end() {
        let text = |text: &str| text.to_owned();
        let identity = ProcessIdentity {
            python: text("3.14.7"),
            server: text("wsgiaudit/1"),
            host: text("web"),
            group: text("shop"),
            parent: 9,
        };
        let mut started = Datagram::new(Kind::ProcessStarted, 10, 1, 0.0);
        identity.add_to(&mut started);
        let ids: Vec<u16> = started.fields.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [2, 3, 5, 6, 7]);
        let mut stopping = Datagram::new(Kind::ProcessStopping, 10, 2, 0.0);
        identity.describe_stopping(&mut stopping, StopReason::MemoryLimit, 3);
        assert_eq!((stopping.text(130), stopping.count(133)), (Some(text("memory_limit")), Some(3)));
        for (active, graceful) in [(0, 1), (2, 0)] {
            let mut stopped = Datagram::new(Kind::ProcessStopped, 10, 3, 0.0);
            let end = ProcessEnd { reason: StopReason::GracefulSignal, uptime: 1.5, requests: 7, active };
            identity.describe_stopped(&mut stopped, &end);
            assert_eq!((stopped.number(131), stopped.count(132)), (Some(1.5), Some(7)));
            assert_eq!((stopped.count(134), stopped.count(135)), (Some(active), Some(graceful)));
            assert_eq!(stopped.text(6), Some(text("shop")));
        }
    }
}
