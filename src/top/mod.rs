//! `wsgiaudit top`: shows what mod_wsgi or `wsgiaudit serve` reports about running processes.
//!
//! - [`source`]: where datagrams come from: [`telemetry_socket`], [`metrics_poll`] (over [`http_get`]), or a
//!   [`recording`].
//! - What datagrams say, and what that means, is in `wsgiaudit_probes_core::figures`.
//! - [`page`]: the lines of text, with [`table_lines`] and [`units`]; [`screen`]: the live view of the terminal.
//! - [`watch`]: a source that is watched; [`run`]: the command.

mod http_get;
mod metrics_poll;
mod page;
mod recording;
mod run;
mod screen;
mod source;
mod table_lines;
mod telemetry_socket;
#[cfg(test)]
#[path = "../../probes/core/src/figures/test_datagrams.rs"]
mod test_datagrams;
mod units;
mod watch;

pub use run::run_top;
