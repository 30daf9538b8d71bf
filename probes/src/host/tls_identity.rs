//! The certificates and the key of the server, and the count of handshakes that failed.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::ServerConfig;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;
use wsgiaudit_probes_core::tls::TlsIdentity;

/// How often a failed handshake is logged at most.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Reads an identity from an inherited descriptor to its end.
///
/// # Errors
/// An error message if the supervisor has not sent a usable one.
///
/// # Safety
/// The supervisor opened the descriptor for this process alone.
pub(super) unsafe fn read_server_config(descriptor: i32) -> Result<Arc<ServerConfig>, String> {
    // SAFETY: guaranteed by the caller.
    let mut pipe = unsafe { File::from_raw_fd(descriptor) };
    let mut text = Vec::new();
    pipe.read_to_end(&mut text).map_err(|error| format!("cannot read the TLS key: {error}"))?;
    let identity: TlsIdentity =
        serde_json::from_slice(&text).map_err(|_| "the supervisor has sent no TLS key".to_owned())?;
    identity.build_server_config().map_err(|error| format!("cannot serve with TLS: {error}"))
}

/// Counts handshakes that failed.
#[derive(Debug, Default)]
pub(super) struct FailedHandshakes {
    total: AtomicU64,
    /// When one was logged last, and the total then.
    logged: Mutex<Option<(Instant, u64)>>,
}

impl FailedHandshakes {
    /// Number of all.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts a failure. If it is to be logged, returns how many have failed since the last one that was logged.
    pub(super) fn count_failure(&self, now: Instant) -> Option<u64> {
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let mut logged = lock_ignoring_poison(&self.logged);
        let before = match *logged {
            Some((at, _)) if now.saturating_duration_since(at) < LOG_INTERVAL => return None,
            Some((_, before)) => before,
            None => 0,
        };
        *logged = Some((now, total));
        Some(total.saturating_sub(before + 1))
    }
}
