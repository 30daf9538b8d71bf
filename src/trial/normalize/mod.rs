//! Normalizes texts of trials: hides what varies between runs, so that two audits of the same environment
//! write the same report.
//!
//! It hides ids of processes and threads, addresses, times, names of temporary files, and the order in which
//! threads print. It shows the path of the environment's file instead of that of its private copy. Everything
//! that a trial raised or printed passes through here before it is interpreted.
//!
//! Values that are known to belong to the run, such as its process ids and the time of day, are hidden
//! anywhere. Other numbers are hidden only where the words around them identify them. Error numbers, versions
//! and sizes stay.

mod addresses;
mod copy_paths;
mod ids;
mod lines;
mod pattern;
mod run_info;
mod temporary_names;
mod text;
mod times;

pub use addresses::hide_addresses;
pub(super) use lines::{last_lines, sort_unique_lines};
pub(super) use run_info::{ClockReading, RunInfo};
pub(super) use text::normalize_text;

#[cfg(test)]
mod tests;
