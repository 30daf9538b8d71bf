//! The progress bar on standard error.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::escape::escape_and_truncate;
use crate::model::Mode;
use crate::trial::ProgressListener;

/// A progress bar that shows the module on trial. Hidden if standard error is not a terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Creates the bar. `quiet` hides it; with `is_ascii` it is drawn in ASCII.
    pub fn new(quiet: bool, is_ascii: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos:>5}/{len} {elapsed:>4} {wide_msg}") {
            bar.set_style(style.progress_chars(if is_ascii { "=>-" } else { "━╸─" }));
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl ProgressListener for Progress {
    fn set_expected_count(&self, answers: usize) {
        self.0.set_length(answers as u64);
    }

    fn add_expected_count(&self, answers: usize) {
        self.0.inc_length(answers as u64);
    }

    fn trial_started(&self, subject: &str, mode: Mode) {
        self.0.set_message(format!("{mode} {}", escape_and_truncate(subject, 60)));
    }

    fn trials_finished(&self, answers: usize) {
        self.0.inc(answers as u64);
    }
}
