//! Private copies of shared objects.

mod command;
mod loader;
mod rewriting;
mod store;
mod trees;
mod workshop;
