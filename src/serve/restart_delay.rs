//! When a process that has ended is started again.

use std::time::{Duration, Instant};

/// A host that has run at least this long is replaced at once.
const STABLE: Duration = Duration::from_secs(5);

/// The first delay, which doubles with each further failure.
const FIRST: Duration = Duration::from_millis(500);

/// The longest delay.
const LONGEST: Duration = Duration::from_secs(30);

/// Restarts of the host of one slot.
#[derive(Clone, Debug, Default)]
pub(super) struct RestartDelay {
    /// When to start it, if it waits.
    pub(super) at: Option<Instant>,
    /// Number of hosts in a row that did not run for long.
    failures: u32,
}

impl RestartDelay {
    /// Records that a host has ended, which started then. Returns whether it ran long enough to be replaced at once.
    pub(super) fn record_end(&mut self, started: Instant) -> bool {
        let is_stable = started.elapsed() >= STABLE;
        if is_stable {
            self.failures = 0;
        }
        is_stable
    }

    /// Schedules a restart. Returns the delay, longer with each failure in a row.
    pub(super) fn delay_restart(&mut self, now: Instant) -> Duration {
        let delay = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        self.at = Some(now + delay);
        delay
    }

    /// Returns whether a restart is due, and removes it from the schedule if so.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }

    /// Cancels the restart.
    pub(super) fn cancel(&mut self) {
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_delay() {
        let (mut restart, now) = (RestartDelay::default(), Instant::now());
        let delays: Vec<u128> = (0..9).map(|_| restart.delay_restart(now).as_millis()).collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert!(!restart.record_end(now));
        assert!(restart.record_end(now - STABLE));
        assert_eq!(restart.delay_restart(now), FIRST);
    }

    #[test]
    fn a_restart_is_due_once() {
        let (mut restart, now) = (RestartDelay::default(), Instant::now());
        assert!(!restart.take_due(now));
        restart.delay_restart(now);
        assert!(!restart.take_due(now));
        assert!(restart.take_due(now + FIRST));
        assert!(!restart.take_due(now + FIRST));
        restart.delay_restart(now);
        restart.cancel();
        assert!(!restart.take_due(now + LONGEST));
    }
}
