//! The repository's rules about its own sources, and how well it keeps them.
//!
//! - [`sources`]: the Rust files of a crate, parsed, each with its module path.
//! - [`items`]: the functions and types that a file defines.
//! - [`references`]: the paths that a file names outside of its tests.
//! - [`module_graph`]: which file uses an item of which other file, and the circles in that.
//! - [`measures`]: the table of `make house`.

pub mod items;
pub mod measures;
pub mod module_graph;
pub mod references;
pub mod sources;
