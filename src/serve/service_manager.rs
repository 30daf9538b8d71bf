//! Tells the service manager (systemd) what the server does: sd_notify(3).

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Variables of the service manager that are for the supervisor alone: hosts do not get them.
pub(super) const VARIABLES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// The service manager, if there is one.
#[derive(Debug)]
pub(super) struct ServiceManager {
    /// How often it wants a sign of life.
    interval: Option<Duration>,
    /// When the next one is due.
    pub(super) next_sign: Option<Instant>,
}

impl ServiceManager {
    /// Reads what it wants from the environment.
    pub(super) fn from_environment() -> Self {
        // Twice as often as it wants, as sd_watchdog_enabled(3) recommends.
        let interval = sd_notify::watchdog_enabled().map(|interval| interval / 2);
        let interval = interval.filter(|interval| !interval.is_zero());
        Self { interval, next_sign: interval.map(|_| Instant::now()) }
    }

    /// Tells that requests are served.
    pub(super) fn tell_ready(&self) {
        send_state(&[NotifyState::Ready]);
    }

    /// Tells that a reload has begun. `tell_ready` ends it.
    pub(super) fn tell_reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => send_state(&[NotifyState::Reloading, now]),
            Err(_) => send_state(&[NotifyState::Reloading]),
        }
    }

    /// Tells that the server ends.
    pub(super) fn tell_stopping(&self) {
        send_state(&[NotifyState::Stopping]);
    }

    /// Gives a sign of life if one is due.
    pub(super) fn give_sign(&mut self, now: Instant) {
        if let (Some(interval), Some(at)) = (self.interval, self.next_sign)
            && at <= now
        {
            send_state(&[NotifyState::Watchdog]);
            self.next_sign = Some(now + interval);
        }
    }
}

/// Sends a state, if there is a service manager.
fn send_state(states: &[NotifyState<'_>]) {
    // If it does not listen, nothing can be done.
    let _ = sd_notify::notify(states);
}
