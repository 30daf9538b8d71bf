//! A run, from the environment's folder to the report.

mod around;
mod free_threaded;
mod modules;
mod run;
mod scratch;

pub use run::run;
