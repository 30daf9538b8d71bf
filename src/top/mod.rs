//! `wsgiaudit top`: shows what mod_wsgi or `wsgiaudit serve` reports about running processes.
//!
//! - [`source`]: where datagrams come from: [`telemetry_socket`], [`metrics_poll`] (over [`http_get`]), or a
//!   [`recording`].
//! - [`sample`]: the figures of a datagram; [`fleet`]: those of all processes, within limits.
//! - [`snapshot`]: what is shown, with the [`diagnosis`] and its [`advice`]; [`contention`]: the shape of waits.
//! - [`page`]: the lines of text, with [`table_lines`] and [`units`]; [`screen`]: the live view of the terminal.
//! - [`watch`]: a source that is watched; [`run`]: the command.

mod advice;
mod contention;
mod diagnosis;
mod fleet;
mod http_get;
mod metrics_poll;
mod page;
mod recording;
mod run;
mod sample;
mod screen;
mod snapshot;
mod source;
mod table_lines;
mod telemetry_socket;
#[cfg(test)]
mod test_datagrams;
mod units;
mod watch;

pub use run::run_top;
