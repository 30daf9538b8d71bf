//! What datagrams say about running processes: `wsgiaudit top` and the live page of `wsgiaudit serve` show the same.
//!
//! - [`sample`]: the figures of a datagram; [`fleet`]: those of all processes, within limits.
//! - [`diagnosis`]: what they mean, by the rules in [`finding_rule`], with its [`advice`]; [`contention`]: the shape of
//!   waits.
//! - [`snapshot`]: all that is shown; [`history`]: the last intervals of a process.

mod advice;
mod contention;
pub mod diagnosis;
pub mod finding_rule;
pub mod fleet;
pub mod history;
mod sample;
pub mod snapshot;
#[cfg(test)]
mod test_datagrams;
