//! Signals to the host process. Most come from the supervisor.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::server_state::ServerPhase;

/// Signals that do nothing here, but would stop or end the process.
const HARMLESS: [libc::c_int; 4] = [libc::SIGTTIN, libc::SIGTTOU, libc::SIGUSR2, libc::SIGQUIT];

/// The signals that the host watches.
#[derive(Debug)]
pub(super) struct HostSignals {
    stop: Signal,
    hand_over: Signal,
    reopen: Signal,
}

impl HostSignals {
    /// Begins to watch. Must be called inside the runtime.
    ///
    /// # Errors
    /// If a signal cannot be watched.
    pub(super) fn watch() -> io::Result<Self> {
        for number in HARMLESS {
            // The handler stays when the receiver is dropped. Programs that the application runs do not inherit it.
            drop(signal(SignalKind::from_raw(number))?);
        }
        Ok(Self {
            stop: signal(SignalKind::terminate())?,
            hand_over: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for a signal to stop or to hand over, and calls this function on SIGUSR1. Returns the phase that follows.
    pub(super) async fn wait_for_end(mut self, reopen_logs: impl Fn()) -> ServerPhase {
        loop {
            tokio::select! {
                _ = self.stop.recv() => return ServerPhase::Draining,
                _ = self.hand_over.recv() => return ServerPhase::HandedOver,
                _ = self.reopen.recv() => reopen_logs(),
            }
        }
    }
}
