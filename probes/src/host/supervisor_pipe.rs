//! The pipe to the supervisor.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::sync::{Arc, Mutex};

use wsgiaudit_probes_core::host_config::HostMessage;

use super::inherited_descriptor::close_on_exec;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// The pipe to the supervisor.
#[derive(Clone, Debug)]
pub(super) struct SupervisorPipe(Arc<Mutex<File>>);

impl SupervisorPipe {
    /// Takes over an inherited descriptor.
    ///
    /// # Safety
    /// The supervisor opened the descriptor for this process alone.
    pub(super) unsafe fn from_inherited(descriptor: i32) -> Self {
        close_on_exec(descriptor);
        // SAFETY: guaranteed by the caller.
        Self(Arc::new(Mutex::new(unsafe { File::from_raw_fd(descriptor) })))
    }

    /// Sends a message. Without a supervisor, nothing happens.
    pub(super) fn send_message(&self, message: &HostMessage) {
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            drop(lock_ignoring_poison(&self.0).write_all(&line));
        }
    }
}
