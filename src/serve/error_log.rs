//! The error log of the supervisor and of its hosts: standard error, or a file in its place.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use nix::unistd::dup2_stderr;
use wsgiaudit_probes_core::log_line::{LogFormat, LogLevel, LogLine, LogSettings, LogSource};

use crate::cli::{ErrorLogForm, ErrorLogLevel, OperationArgs};

/// The error log. A file takes the place of standard error until the value is dropped, so that everything is in it:
/// also what Python and C code write, and the last words of a process.
#[derive(Debug)]
pub(super) struct ErrorLog {
    settings: LogSettings,
    file: Option<LogFile>,
}

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    /// What was standard error before.
    original: OwnedFd,
}

impl ErrorLog {
    /// Returns the log of these options, on standard error.
    pub(super) fn new(args: &OperationArgs) -> Self {
        Self { settings: read_log_settings(args), file: None }
    }

    /// Opens the file that the options name.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn open_file(&mut self, args: &OperationArgs) -> Result<()> {
        if let Some(path) = &args.error_log {
            let path = std::path::absolute(path)?;
            let original = io::stderr().as_fd().try_clone_to_owned()?;
            replace_standard_error(&path)?;
            self.file = Some(LogFile { path, original });
        }
        Ok(())
    }

    /// Takes the level and the form from options that were read again.
    pub(super) fn update_settings(&mut self, args: &OperationArgs) {
        self.settings = read_log_settings(args);
    }

    /// Logs what the server does.
    pub(super) fn info(&self, message: &str) {
        self.write_line(LogLevel::Info, message);
    }

    /// Logs something that is not as it should be.
    pub(super) fn warn(&self, message: &str) {
        self.write_line(LogLevel::Warning, message);
    }

    /// Logs a failure.
    pub(super) fn error(&self, message: &str) {
        self.write_line(LogLevel::Error, message);
    }

    /// Opens the file again: a program that rotates logs has renamed it.
    pub(super) fn reopen(&self) {
        if let Some(file) = &self.file
            && let Err(error) = replace_standard_error(&file.path)
        {
            self.error(&format!("{error:#}; the old file is still written"));
        }
    }

    /// Logs why the server could not start. Returns whether the message is on standard error now, so that nothing needs to
    /// print it again.
    pub(super) fn report_failed_start(&self, error: &anyhow::Error) -> bool {
        let is_json = self.settings.format == LogFormat::Json;
        if self.file.is_some() || is_json {
            self.error(&format!("{error:#}"));
        }
        is_json && self.file.is_none()
    }

    fn write_line(&self, level: LogLevel, message: &str) {
        let line = LogLine {
            source: LogSource::Supervisor,
            level,
            pid: std::process::id(),
            message,
            traceback: None,
        };
        if let Some(text) = line.format_line(self.settings, SystemTime::now()) {
            // A closed standard error must not stop the server.
            drop(io::stderr().lock().write_all(text.as_bytes()));
        }
    }
}

impl Drop for ErrorLog {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = dup2_stderr(file.original.as_fd());
        }
    }
}

/// Returns what hosts log, and in which form.
pub(super) fn read_log_settings(args: &OperationArgs) -> LogSettings {
    let level = match args.log_level {
        ErrorLogLevel::Error => LogLevel::Error,
        ErrorLogLevel::Warning => LogLevel::Warning,
        ErrorLogLevel::Info => LogLevel::Info,
    };
    let format = match args.log_format {
        ErrorLogForm::Text => LogFormat::Text,
        ErrorLogForm::Json => LogFormat::Json,
    };
    LogSettings { level, format }
}

fn replace_standard_error(path: &Path) -> Result<()> {
    let opened: io::Result<File> = OpenOptions::new().create(true).append(true).open(path);
    let file = opened.with_context(|| format!("cannot open the error log {}", path.display()))?;
    dup2_stderr(file.as_fd()).context("cannot replace standard error")
}
