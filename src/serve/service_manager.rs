//! Notifies the service manager (systemd) of the state of the server: sd_notify(3).

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Variables of the service manager that are for the supervisor alone: hosts do not get them.
pub(super) const VARIABLES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// The service manager, if there is one.
#[derive(Debug)]
pub(super) struct ServiceManager {
    /// Interval of the pings of its watchdog; `None` without a watchdog.
    ping_interval: Option<Duration>,
    /// When the next ping is due.
    pub(super) next_ping: Option<Instant>,
}

impl ServiceManager {
    /// Reads the settings of its watchdog from the environment.
    pub(super) fn from_environment() -> Self {
        // Half of the watchdog's timeout, as sd_watchdog_enabled(3) recommends.
        let interval = sd_notify::watchdog_enabled().map(|timeout| timeout / 2);
        let ping_interval = interval.filter(|interval| !interval.is_zero());
        Self { ping_interval, next_ping: ping_interval.map(|_| Instant::now()) }
    }

    /// Notifies that requests are served.
    pub(super) fn notify_ready(&self) {
        send_state(&[NotifyState::Ready]);
    }

    /// Notifies that a reload has begun. `notify_ready` ends it.
    pub(super) fn notify_reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => send_state(&[NotifyState::Reloading, now]),
            Err(_) => send_state(&[NotifyState::Reloading]),
        }
    }

    /// Notifies that the server ends.
    pub(super) fn notify_stopping(&self) {
        send_state(&[NotifyState::Stopping]);
    }

    /// Pings the watchdog if a ping is due.
    pub(super) fn ping_watchdog(&mut self, now: Instant) {
        if let (Some(interval), Some(at)) = (self.ping_interval, self.next_ping)
            && at <= now
        {
            send_state(&[NotifyState::Watchdog]);
            self.next_ping = Some(now + interval);
        }
    }
}

/// Sends a state, if there is a service manager.
fn send_state(states: &[NotifyState<'_>]) {
    // An error has no consequence: the server runs with or without a service manager.
    let _ = sd_notify::notify(states);
}
