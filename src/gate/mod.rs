//! Decides the exit status from a report, the required modes, a project's acceptances and a baseline report.
//! No I/O.

mod acceptance;
mod decide;
mod settings;
#[cfg(test)]
mod tests;

pub use acceptance::Acceptance;
pub use decide::{Decision, Gate, decide};
pub use settings::{ProjectSettings, find_misnamed_table, parse_settings};
