//! Tells every worker to stop. Set by Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::platform;

/// Whether the user has interrupted the audit.
#[derive(Debug, Default)]
pub struct StopFlag(AtomicBool);

impl StopFlag {
    /// Stops the audit: kills running trials and prevents new ones.
    pub fn request_stop(&self) {
        self.0.store(true, Ordering::Relaxed);
        platform::kill_all_groups();
    }

    /// Whether a stop was requested.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
