//! Private copies of shared objects.

mod command;
mod loader;
mod mode;
mod rewriting;
mod store;
mod trees;
mod workshop;
