//! Queries package indexes and installs wheels, with uv or, if that is missing, with pip.
//!
//! The user's settings and environment variables for uv and pip apply.
//!
//! That an index has no suitable file is concluded only from evidence: HTTP statuses and listed files. The
//! installers' error messages are the same for an index that cannot be reached.

mod cache_folder;
mod commands;
mod index_evidence;

pub use cache_folder::{NoCacheFolder, find_cache_folder};
pub use commands::{Installer, Resolution};
