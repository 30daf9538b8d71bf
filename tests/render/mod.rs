//! Formats of reports.

pub(crate) mod formats;
mod page;
mod reports;
mod rules;
