//! uv, or where that is not there pip: what asks an index and installs wheels. Its own settings and environment
//! variables are the user's.
//!
//! That an index has nothing is believed on evidence alone: the statuses that it answered with, and the files that it
//! listed. What an installer says in words when it finds nothing is the same for an index that cannot be asked.

mod asked;
mod commands;
mod places;

pub use commands::{Found, Installer};
pub use places::{cache, on_path};
