//! The error log: standard error, which may be a file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::OnceLock;
use std::time::SystemTime;

use wsgiaudit_probes_core::log_line::{LogLevel, LogLine, LogSettings, LogSource};

/// What is logged, and in which form, in this process.
static SETTINGS: OnceLock<LogSettings> = OnceLock::new();

/// Sets what is logged, and in which form. Before that, everything is, as text.
pub(super) fn set_log_settings(settings: LogSettings) {
    // Set once, at the start.
    let _ = SETTINGS.set(settings);
}

/// Returns what is logged, and in which form.
pub(super) fn log_settings() -> LogSettings {
    SETTINGS.get().copied().unwrap_or_default()
}

/// Logs what the server does.
pub(super) fn log_info(message: &str) {
    log_line(LogSource::Server, LogLevel::Info, message, None);
}

/// Logs something that is not as it should be.
pub(super) fn log_warning(message: &str) {
    log_line(LogSource::Server, LogLevel::Warning, message, None);
}

/// Logs a failure.
pub(super) fn log_error(message: &str) {
    log_line(LogSource::Server, LogLevel::Error, message, None);
}

/// Logs a message. A failure has no consequence: a closed standard error must not stop the server.
pub(super) fn log_line(source: LogSource, level: LogLevel, message: &str, traceback: Option<&str>) {
    let line = LogLine { source, level, pid: std::process::id(), message, traceback };
    if let Some(text) = line.format_line(log_settings(), SystemTime::now()) {
        // Written at once: lines of several processes do not mix, and nothing is lost if this one ends.
        drop(standard_error().write_all(text.as_bytes()));
    }
}

/// Standard error, without the lock of Rust's own: in a child that the application has forked, it may be locked for
/// ever.
fn standard_error() -> ManuallyDrop<File> {
    // SAFETY: the descriptor is not closed when the value is dropped.
    ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDERR_FILENO) })
}

/// Opens the file of the error log again, as standard error. If that fails, the old file is still written.
pub(super) fn reopen_error_log(path: &str) {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    let replaced = opened.and_then(|file| {
        // SAFETY: both descriptors are open; standard error is used for writing only.
        match unsafe { libc::dup2(file.as_raw_fd(), libc::STDERR_FILENO) } {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        }
    });
    if let Err(error) = replaced {
        log_error(&format!("cannot open the error log {path}: {error}; the old file is still written"));
    }
}
